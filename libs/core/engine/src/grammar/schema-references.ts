import { childPointer, isObject, type Json, refuse, type SchemaAt } from './schema-keywords.js';

/** What `$ref` names within the whole schema. @throws grammar_unsupported for what is elsewhere or not there */
export function resolveReference(root: Json, { schema, pointer }: SchemaAt): { schema: Json; pointer: string } {
  const reference = schema.$ref;
  if (typeof reference !== 'string' || !/^#(\/|$)/.test(reference))
    refuse(pointer, '$ref', 'not a place in the schema');
  const path = decoded(reference.slice(1), pointer);
  const keys = path
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
  let target: Json | undefined = root;
  for (const key of keys) {
    if (isObject(target) && Object.hasOwn(target, key)) target = target[key];
    else if (Array.isArray(target)) target = (target as readonly Json[])[Number(key)];
    else target = undefined;
    if (target === undefined) refuse(pointer, '$ref', 'not a place in the schema');
  }
  return { schema: target as Json, pointer: keys.length === 0 ? '' : childPointer('', ...keys) };
}

function decoded(fragment: string, pointer: string): string {
  try {
    return decodeURIComponent(fragment);
  } catch {
    return refuse(pointer, '$ref', 'not a place in the schema');
  }
}

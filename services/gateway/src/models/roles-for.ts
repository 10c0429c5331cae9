import type { RoleName } from '@tercet/contracts';
import type { ModelTable } from './model-table.js';

/** Roles without a pod of which a model cannot be served: an embedder only encodes, text without images needs none. */
export function rolesFor(model: ModelTable['all'][number]): RoleName[] {
  if (model.kind === 'embedding') return ['encode'];
  return ['prefill', 'decode', ...(model.vision === undefined ? [] : (['encode'] as const))];
}

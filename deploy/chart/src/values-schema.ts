import { z } from 'zod';
import { ChartValues } from './values.js';

type Schema = { [key: string]: unknown };

/** JSON schemas of the services' configurations, as `--print-config-schema` prints them. */
export interface ServiceSchemas {
  readonly gateway: object;
  readonly stage: object;
  readonly controller: object;
}

/** Where configurations of services stand in the values. */
const places: Readonly<Record<keyof ServiceSchemas, readonly (readonly string[])[]>> = {
  gateway: [['gateway', 'config']],
  stage: [
    ['stage', 'config'],
    ['poolDefaults', 'config'],
    ['pools', 'items', 'config'],
  ],
  controller: [['controller', 'config']],
};

/**
 * `values.schema.json`: what the chart itself knows, and in it what the services would take. Of a service's
 * configuration nothing is required, because the chart fills in the rest, and no default is told, because some depend
 * on the machine.
 */
export function valuesSchema(services: ServiceSchemas): object {
  const schema = z.toJSONSchema(ChartValues, { io: 'input', target: 'draft-7' }) as Schema;
  // Helm gives charts more than the values: what belongs to all charts.
  const properties = schema.properties as Schema;
  properties.global = { type: 'object' };
  delete schema.required;
  for (const [service, paths] of Object.entries(places)) {
    const part = relaxed(inCluster(services[service as keyof ServiceSchemas]));
    for (const path of paths) put(schema, path, part);
  }
  return schema;
}

function put(schema: Schema, path: readonly string[], part: unknown): void {
  const last = path[path.length - 1] as string;
  let place = schema;
  for (const step of path.slice(0, -1)) {
    place = (step === 'items' ? place.items : (place.properties as Schema)[step]) as Schema;
  }
  (place.properties as Schema)[last] = part;
}

/** Of a configuration with a form for one machine and one for a cluster, the latter. */
function inCluster(schema: object): object {
  const forms = ((schema as Schema).oneOf ?? (schema as Schema).anyOf ?? []) as Schema[];
  const isForCluster = ({ properties }: Schema) =>
    ((properties as Schema).cluster as Schema | undefined)?.const === 'kubernetes';
  return forms.find(isForCluster) ?? schema;
}

/** The schema with nothing required and no defaults. */
function relaxed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(relaxed);
  if (typeof value !== 'object' || value === null) return value;
  const left = Object.entries(value).filter(
    ([key, inner]) => !(key === '$schema' || key === 'default' || (key === 'required' && Array.isArray(inner))),
  );
  return Object.fromEntries(left.map(([key, inner]) => [key, relaxed(inner)]));
}

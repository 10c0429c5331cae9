import { payloadFieldKinds, TercetError, vectorMetrics, type wire } from '@tercet/contracts';
import type { CollectionSpec, FieldSpec } from './spec.js';

export function specToWire({ name, dimensions, metric, fields, embedding }: CollectionSpec): wire.CollectionSpec {
  return {
    name,
    dimensions,
    metric: vectorMetrics[metric],
    fields: fields.map((field) => ({
      name: field.name,
      kind: payloadFieldKinds[field.kind],
      language: field.language ?? '',
    })),
    embeddingModel: embedding?.model ?? '',
    embeddedField: embedding?.field ?? '',
  };
}

/** @throws invalid_request for a metric or a kind of field that is none */
export function specFromWire(spec: wire.CollectionSpec): CollectionSpec {
  const { name, dimensions, embeddingModel: model, embeddedField: field } = spec;
  const embedding = model === '' ? {} : { embedding: { model, field } };
  return {
    name,
    dimensions,
    metric: named(vectorMetrics, spec.metric, 'metric'),
    fields: spec.fields.map(fieldOf),
    ...embedding,
  };
}

function fieldOf({ name, kind, language }: wire.Field): FieldSpec {
  return { name, kind: named(payloadFieldKinds, kind, 'kind'), ...(language === '' ? {} : { language }) };
}

function named<Name extends string>(table: Readonly<Record<Name, number>>, value: number, param: string): Name {
  const found = (Object.entries(table) as [Name, number][]).find(([, number]) => number === value);
  if (found === undefined) throw new TercetError('invalid_request', { param, value });
  return found[0];
}

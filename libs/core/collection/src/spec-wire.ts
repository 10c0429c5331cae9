import { TercetError, wire } from '@tercet/contracts';
import type { CollectionSpec, FieldKind, FieldSpec } from './spec.js';
import type { Metric } from './vector-index.js';

const metrics: Readonly<Record<Metric, wire.Metric>> = {
  cosine: wire.Metric.METRIC_COSINE,
  'inner-product': wire.Metric.METRIC_INNER_PRODUCT,
  l2: wire.Metric.METRIC_L2,
};
const kinds: Readonly<Record<FieldKind, wire.FieldKind>> = {
  keyword: wire.FieldKind.FIELD_KIND_KEYWORD,
  integer: wire.FieldKind.FIELD_KIND_INTEGER,
  float: wire.FieldKind.FIELD_KIND_FLOAT,
  bool: wire.FieldKind.FIELD_KIND_BOOL,
  datetime: wire.FieldKind.FIELD_KIND_DATETIME,
  text: wire.FieldKind.FIELD_KIND_TEXT,
  stored: wire.FieldKind.FIELD_KIND_STORED,
};

export function specToWire({ name, dimensions, metric, fields, embedding }: CollectionSpec): wire.CollectionSpec {
  return {
    name,
    dimensions,
    metric: metrics[metric],
    fields: fields.map((field) => ({ name: field.name, kind: kinds[field.kind], language: field.language ?? '' })),
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
    metric: named(metrics, spec.metric, 'metric'),
    fields: spec.fields.map(fieldOf),
    ...embedding,
  };
}

function fieldOf({ name, kind, language }: wire.Field): FieldSpec {
  return { name, kind: named(kinds, kind, 'kind'), ...(language === '' ? {} : { language }) };
}

function named<Name extends string>(table: Readonly<Record<Name, number>>, value: number, param: string): Name {
  const found = (Object.entries(table) as [Name, number][]).find(([, number]) => number === value);
  if (found === undefined) throw new TercetError('invalid_request', { param, value });
  return found[0];
}

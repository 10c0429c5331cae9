import type { GraphShape } from '../graph/shape.js';
import { paddedDim } from '../quantization/vector-code.js';
import type { PreparedQuery } from './code-rows.js';

const { fround } = Math;

/** @param vector [dim], not zero where the metric is cosine */
export function prepareQuery({ metric, dim }: GraphShape, vector: Float32Array): PreparedQuery {
  const values = new Float32Array(paddedDim(dim));
  const codes = new Int8Array(values.length);
  const squares = vector.reduce((total, value) => total + value * value, 0);
  const shrink = metric === 'cosine' ? 1 / Math.sqrt(squares) : 1;
  let [sum, most] = [0, 0];
  for (let i = 0; i < dim; i++) {
    const value = fround((vector[i] as number) * shrink);
    values[i] = value;
    sum += value;
    most = Math.max(most, Math.abs(value));
  }
  const scale = fround(most / 127);
  for (let i = 0; i < dim; i++)
    codes[i] = scale === 0 ? 0 : Math.floor((values[i] as number) * (1 / scale) + 128.5) - 128;
  const base = metric === 'l2' ? fround(squares) : metric === 'cosine' ? 1 : 0;
  return { values, codes, scale, sum: fround(sum), base, factor: metric === 'l2' ? 2 : 1 };
}

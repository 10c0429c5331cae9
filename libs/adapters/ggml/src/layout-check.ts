import { TercetError } from '@tercet/contracts';
import { type Ggml, ggml, memory, type Pointer, type TensorLayout, tensorLayout } from './ffi.js';
import { elementType } from './node.js';
import { reserve } from './system-memory.js';

/** What the library keeps beside a tensor in its list of objects. */
const objectBytes = 32;

const checked = new Set<TensorLayout>();

/**
 * Writes a tensor through the library and reads its fields where this adapter reads and writes them; once per process.
 * @throws engine_incompatible when one stands elsewhere; the details name it
 */
export function checkLayout(layout: TensorLayout = tensorLayout): void {
  if (checked.has(layout)) return;
  const g = ggml();
  const wrong = [...wrongFields(g, layout), ...wrongPool(g)];
  if (wrong.length > 0) throw new TercetError('engine_incompatible', { layout: wrong.join('; ') });
  checked.add(layout);
}

function wrongFields(g: Ggml, layout: TensorLayout): string[] {
  const bytes = layout.bytes + objectBytes;
  const overhead = Number(g.ggml_tensor_overhead());
  if (overhead !== bytes) return [`a tensor takes ${overhead} bytes, not ${bytes}`];
  const context = g.ggml_init({ mem_size: overhead * 4, mem_buffer: 0, no_alloc: true }) as Pointer;
  const mapping = reserve(65_536);
  const buffer = g.ggml_backend_cpu_buffer_from_ptr(mapping.address, mapping.bytes) as Pointer;
  try {
    const tensor = g.ggml_new_tensor_4d(context, elementType.f16, 3, 5, 7, 2) as Pointer;
    g.ggml_backend_tensor_alloc(buffer, tensor, mapping.address + 4096);
    const view = g.ggml_view_4d(context, tensor, 3, 5, 1, 1, 6, 30, 30, 30) as Pointer;
    const number = (at: Pointer, offset: number) =>
      Number(new DataView(memory(at, layout.bytes)).getBigInt64(offset, true));
    const fields: [string, number, number][] = [
      ['type', new DataView(memory(tensor, layout.bytes)).getInt32(layout.type, true), elementType.f16],
      ['buffer', number(tensor, layout.buffer), buffer],
      ...[3, 5, 7, 2].map((n, i) => field('ne', number(tensor, layout.ne + 8 * i), n)),
      ...[2, 6, 30, 210].map((n, i) => field('nb', number(tensor, layout.nb + 8 * i), n)),
      ['data', number(tensor, layout.data), mapping.address + 4096],
      ['view_src', number(view, layout.viewSrc), tensor],
      ['data of a view', number(view, layout.data), mapping.address + 4096 + 30],
    ];
    return fields.filter(([, found, expected]) => found !== expected).map(([name]) => name);
  } finally {
    g.ggml_backend_buffer_free(buffer);
    g.ggml_free(context);
    mapping.free();
  }
}

function wrongPool(g: Ggml): string[] {
  const { threads, poll, paused } = g.ggml_threadpool_params_default(7) as Record<string, unknown>;
  return threads === 7 && Number(poll) <= 100 && paused === false ? [] : ['thread pool parameters'];
}

function field(name: string, found: number, expected: number): [string, number, number] {
  return [name, found, expected];
}

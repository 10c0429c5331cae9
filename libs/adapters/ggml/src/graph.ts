import { assert } from '@tercet/base';
import { TercetError } from '@tercet/contracts';
import type { RopeOptions, Shape, Tensor, TensorOps } from '@tercet/engine';
import { ggml, memory, type Pointer, tensorLayout } from './ffi.js';
import { elementType, isMatrixType, type Node } from './node.js';
import type { WeightSource } from './weights.js';

/**
 * One graph in the making, and its memory for metadata. All shapes are checked here, in TypeScript: the library answers
 * a wrong one by ending the process.
 */
export class Graph implements TensorOps {
  readonly pointer: Pointer;
  readonly #g = ggml();
  readonly #context: Pointer;
  readonly #weights: WeightSource;

  constructor(weights: WeightSource, nodesMax: number) {
    this.#weights = weights;
    const tensors = Number(this.#g.ggml_tensor_overhead()) * nodesMax;
    const bytes = tensors + Number(this.#g.ggml_graph_overhead_custom(nodesMax, false));
    this.#context = this.#g.ggml_init({ mem_size: bytes, mem_buffer: 0, no_alloc: true }) as Pointer;
    this.pointer = this.#g.ggml_new_graph_custom(this.#context, nodesMax, false) as Pointer;
  }

  /** Frees the metadata; the tensors' memory belongs to whoever allocated it. */
  free(): void {
    this.#g.ggml_free(this.#context);
  }

  /** A tensor that the caller fills before each run, at an address of the caller's. */
  input(type: number, shape: readonly number[], buffer: Pointer, address: Pointer): Node {
    const full = fill(shape);
    const pointer = this.#g.ggml_new_tensor_4d(this.#context, type, ...full) as Pointer;
    this.#g.ggml_set_input(pointer);
    this.#g.ggml_backend_tensor_alloc(buffer, pointer, address);
    return { pointer, type, shape: full, contiguous: true };
  }

  /** Adds a result, and all that it needs, to what a run computes. */
  expand(node: Tensor): void {
    this.#g.ggml_build_forward_expand(this.pointer, asNode(node).pointer);
  }

  /** Keeps the memory of this node untouched until the end of a run. */
  output(node: Tensor): Node {
    const n = asNode(node);
    this.#g.ggml_set_output(n.pointer);
    this.expand(n);
    return n;
  }

  /** Copies a into the memory of b. */
  copy(a: Tensor, b: Node): Node {
    assert(count(a.shape) === count(b.shape), 'copy keeps the number of elements', { a: a.shape, b: b.shape });
    return { ...b, pointer: this.#g.ggml_cpy(this.#context, asNode(a).pointer, b.pointer) as Pointer };
  }

  /** A window into `a`: strides in bytes. */
  view(a: Tensor, shape: Shape, strides: readonly [number, number, number], offset: number): Node {
    const n = asNode(a);
    const pointer = this.#g.ggml_view_4d(this.#context, n.pointer, ...shape, ...strides, offset) as Pointer;
    return { pointer, type: n.type, shape, contiguous: false };
  }

  weight(name: string, shape: readonly number[]): Node {
    const found = this.tryWeight(name, shape);
    if (found === undefined) throw new TercetError('model_file_invalid', { reason: 'missing tensor', name });
    return found;
  }

  tryWeight(name: string, shape: readonly number[]): Node | undefined {
    const node = this.#weights.get(name);
    if (node !== undefined && !same(node.shape, fill(shape))) {
      throw new TercetError('model_file_invalid', { reason: 'tensor has another shape', name, shape: shape.join('x') });
    }
    return node;
  }

  mulMat(a: Tensor, b: Tensor): Node {
    const [k, m, a2, a3] = a.shape;
    const [kb, n, b2, b3] = b.shape;
    assert(k === kb && b2 % a2 === 0 && b3 % a3 === 0, 'mulMat', { a: a.shape, b: b.shape });
    requireType(a, isMatrixType);
    return this.#node('ggml_mul_mat', [m, n, b2, b3], a, b);
  }

  add(a: Tensor, b: Tensor): Node {
    return this.#repeated('ggml_add', a, b);
  }

  mul(a: Tensor, b: Tensor): Node {
    return this.#repeated('ggml_mul', a, b);
  }

  scale(a: Tensor, factor: number): Node {
    return this.#call('ggml_scale', a.shape, asNode(a).pointer, factor);
  }

  rmsNorm(a: Tensor, eps: number): Node {
    return this.#call('ggml_rms_norm', a.shape, asNode(a).pointer, eps);
  }

  layerNorm(a: Tensor, eps: number): Node {
    return this.#call('ggml_norm', a.shape, asNode(a).pointer, eps);
  }

  gelu(a: Tensor): Node {
    return this.#node('ggml_gelu', a.shape, a);
  }

  geluExact(a: Tensor): Node {
    return this.#node('ggml_gelu_erf', a.shape, a);
  }

  swiglu(gate: Tensor, up: Tensor): Node {
    assert(same(gate.shape, up.shape), 'swiglu', { gate: gate.shape, up: up.shape });
    return this.#node('ggml_swiglu_split', gate.shape, gate, up);
  }

  geglu(gate: Tensor, up: Tensor): Node {
    assert(same(gate.shape, up.shape), 'geglu', { gate: gate.shape, up: up.shape });
    return this.#node('ggml_geglu_split', gate.shape, gate, up);
  }

  rope(a: Tensor, positions: Tensor, options: RopeOptions): Node {
    const [headDim, , rows] = a.shape;
    const fits = options.dims <= headDim && options.dims % 2 === 0 && positions.shape[0] === rows;
    assert(fits, 'rope', { a: a.shape, positions: positions.shape, dims: options.dims });
    const mode = options.pairing === 'adjacent' ? 0 : 2;
    const rotation = [options.dims, mode, 0, options.base, options.scale, 0, 1, 32, 1] as const;
    return this.#call('ggml_rope_ext', a.shape, asNode(a).pointer, asNode(positions).pointer, 0, ...rotation);
  }

  getRows(a: Tensor, indices: Tensor): Node {
    assert(a.shape[2] === 1 && indices.shape[1] === 1, 'getRows', { a: a.shape, indices: indices.shape });
    requireType(a, isMatrixType);
    return this.#node('ggml_get_rows', [a.shape[0], indices.shape[0], 1, 1], a, indices);
  }

  setRows(a: Tensor, b: Tensor, indices: Tensor): Node {
    const fits = a.shape[0] === b.shape[0] && b.shape[1] === indices.shape[0] && a.shape[2] === 1 && b.shape[2] === 1;
    assert(fits, 'setRows', { a: a.shape, b: b.shape, indices: indices.shape });
    const pointer = this.#g.ggml_set_rows(this.#context, asNode(a).pointer, asNode(b).pointer, asNode(indices).pointer);
    return { ...asNode(a), pointer: pointer as Pointer };
  }

  /** a and b [w, m, …] one after the other along the second dimension. */
  stack(a: Tensor, b: Tensor): Node {
    assert(a.shape[0] === b.shape[0] && a.shape[2] === b.shape[2], 'stack', { a: a.shape, b: b.shape });
    const shape: Shape = [a.shape[0], a.shape[1] + b.shape[1], a.shape[2], a.shape[3]];
    return this.#call('ggml_concat', shape, asNode(a).pointer, asNode(b).pointer, 1);
  }

  reshape(a: Tensor, ...shape: number[]): Node {
    const full = fill(shape);
    const fits = count(full) === count(a.shape) && asNode(a).contiguous;
    assert(fits, 'reshape', { from: a.shape, to: full, contiguous: asNode(a).contiguous });
    const pointer = this.#g.ggml_reshape_4d(this.#context, asNode(a).pointer, ...full) as Pointer;
    return { ...asNode(a), pointer, shape: full };
  }

  permute(a: Tensor, axes: readonly [number, number, number, number]): Node {
    const shape: [number, number, number, number] = [1, 1, 1, 1];
    axes.forEach((to, from) => {
      shape[to] = a.shape[from] as number;
    });
    assert(new Set(axes).size === 4, 'permute', { axes });
    const pointer = this.#g.ggml_permute(this.#context, asNode(a).pointer, ...axes) as Pointer;
    return { ...asNode(a), pointer, shape, contiguous: false };
  }

  contiguous(a: Tensor): Node {
    return this.#node('ggml_cont', a.shape, a);
  }

  attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | undefined, scale: number): Node {
    const [headDim, rows, heads, batch] = q.shape;
    const [kd, keys, kvHeads] = k.shape;
    const fits = kd === headDim && same(k.shape, v.shape) && heads % kvHeads === 0 && k.shape[3] === batch;
    assert(fits, 'attention', { q: q.shape, k: k.shape, v: v.shape });
    const covers = mask === undefined || (mask.shape[0] === keys && mask.shape[1] >= rows);
    assert(covers, 'attention mask', { mask: mask?.shape, keys, rows });
    const pointers = [q, k, v].map((t) => asNode(t).pointer);
    const maskPointer = mask === undefined ? 0 : asNode(mask).pointer;
    return this.#call('ggml_flash_attn_ext', [headDim, heads, rows, batch], ...pointers, maskPointer, scale, 0, 0);
  }

  softmax(a: Tensor, mask: Tensor | undefined, scale: number): Node {
    const maskPointer = mask === undefined ? 0 : asNode(mask).pointer;
    return this.#call('ggml_soft_max_ext', a.shape, asNode(a).pointer, maskPointer, scale, 0);
  }

  patchConvolution(kernel: Tensor, image: Tensor): Node {
    const [pw, ph, channels, width] = kernel.shape;
    const [w, h, c, n] = image.shape;
    assert(pw === ph && w % pw === 0 && h % ph === 0 && c === channels, 'patchConvolution', { w, h, c, pw, channels });
    requireType(kernel, (type) => type === elementType.f32 || type === elementType.f16);
    const pointers = [asNode(kernel).pointer, asNode(image).pointer];
    return this.#call('ggml_conv_2d', [w / pw, h / ph, width, n], ...pointers, pw, ph, 0, 0, 1, 1);
  }

  #repeated(name: 'ggml_add' | 'ggml_mul', a: Tensor, b: Tensor): Node {
    const fits = a.shape.every((n, i) => n % (b.shape[i] as number) === 0);
    assert(fits, `${name} repeats b over a`, { a: a.shape, b: b.shape });
    requireType(b, (type) => type === elementType.f32);
    return this.#node(name, a.shape, a, b);
  }

  #node(name: keyof ReturnType<typeof ggml> & `ggml_${string}`, shape: Shape, ...sources: Tensor[]): Node {
    return this.#call(name, shape, ...sources.map((source) => asNode(source).pointer));
  }

  #call(name: keyof ReturnType<typeof ggml> & `ggml_${string}`, shape: Shape, ...rest: number[]): Node {
    const pointer = this.#g[name](this.#context, ...rest) as Pointer;
    return { pointer, type: elementType.f32, shape, contiguous: true };
  }
}

/** Address of a tensor's elements; 0 while it has none. */
export function dataAddress(node: Node): Pointer {
  return Number(tensorView(node.pointer).getBigInt64(tensorLayout.data, true));
}

/** Elements of a 32-bit float tensor that has memory, where they stand. */
export function floats(node: Node): Float32Array {
  return new Float32Array(memory(dataAddress(node), count(node.shape) * 4));
}

/** Points a view at other memory of the same layout, so that a built graph serves another slot. */
export class MovableView {
  readonly #fields: DataView;

  constructor(node: Node) {
    this.#fields = tensorView(node.pointer);
  }

  moveTo(address: Pointer): void {
    this.#fields.setBigInt64(tensorLayout.data, BigInt(address), true);
  }
}

function tensorView(pointer: Pointer): DataView {
  return new DataView(memory(pointer, tensorLayout.bytes));
}

/** Only nodes of this adapter come back through the port. */
function asNode(tensor: Tensor): Node {
  return tensor as Node;
}

/**
 * Only weights have other element types than results, so a type that an operation does not take is the file's fault.
 */
function requireType(tensor: Tensor, takes: (type: number) => boolean): void {
  const { type, shape } = asNode(tensor);
  if (takes(type)) return;
  throw new TercetError('model_file_invalid', {
    reason: 'element type does not fit its use',
    type,
    shape: shape.join('x'),
  });
}

function fill(shape: readonly number[]): Shape {
  const [a = 1, b = 1, c = 1, d = 1] = shape;
  return [a, b, c, d];
}

function count(shape: Shape): number {
  return shape[0] * shape[1] * shape[2] * shape[3];
}

function same(a: Shape, b: Shape): boolean {
  return a.every((n, i) => n === b[i]);
}

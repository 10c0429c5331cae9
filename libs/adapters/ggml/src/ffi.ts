// Every ggml symbol that tercet calls. Pointers cross as 64-bit integers, which fit a JavaScript number on the
// platforms
// that are served (user addresses are below 2^47).
import { TercetError } from '@tercet/contracts';
import koffi from 'koffi';
import { type GgmlLibraries, openLibraries } from './library.js';

export type Pointer = number;

defineOnce(() => koffi.struct('ggml_init_params', { mem_size: 'size_t', mem_buffer: 'int64', no_alloc: 'bool' }));
defineOnce(() =>
  koffi.struct('ggml_threadpool_params', {
    mask: koffi.array('uint8', 512),
    threads: 'int',
    priority: 'int',
    poll: 'uint32',
    strict: 'bool',
    paused: 'bool',
  }),
);

const signatures = {
  ggml_init: 'int64 ggml_init(ggml_init_params params)',
  ggml_free: 'void ggml_free(int64 ctx)',
  ggml_tensor_overhead: 'size_t ggml_tensor_overhead()',
  ggml_graph_overhead_custom: 'size_t ggml_graph_overhead_custom(size_t size, bool grads)',
  ggml_new_graph_custom: 'int64 ggml_new_graph_custom(int64 ctx, size_t size, bool grads)',
  ggml_build_forward_expand: 'void ggml_build_forward_expand(int64 graph, int64 tensor)',
  ggml_new_tensor_4d: 'int64 ggml_new_tensor_4d(int64 ctx, int type, int64 a, int64 b, int64 c, int64 d)',
  ggml_set_input: 'void ggml_set_input(int64 tensor)',
  ggml_set_output: 'void ggml_set_output(int64 tensor)',
  ggml_mul_mat: 'int64 ggml_mul_mat(int64 ctx, int64 a, int64 b)',
  ggml_add: 'int64 ggml_add(int64 ctx, int64 a, int64 b)',
  ggml_mul: 'int64 ggml_mul(int64 ctx, int64 a, int64 b)',
  ggml_scale: 'int64 ggml_scale(int64 ctx, int64 a, float s)',
  ggml_rms_norm: 'int64 ggml_rms_norm(int64 ctx, int64 a, float eps)',
  ggml_norm: 'int64 ggml_norm(int64 ctx, int64 a, float eps)',
  ggml_gelu: 'int64 ggml_gelu(int64 ctx, int64 a)',
  ggml_gelu_erf: 'int64 ggml_gelu_erf(int64 ctx, int64 a)',
  ggml_swiglu_split: 'int64 ggml_swiglu_split(int64 ctx, int64 a, int64 b)',
  ggml_geglu_split: 'int64 ggml_geglu_split(int64 ctx, int64 a, int64 b)',
  ggml_rope_ext:
    'int64 ggml_rope_ext(int64 ctx, int64 a, int64 b, int64 c, int dims, int mode, int ctx_orig, float base, ' +
    'float scale, float ext, float attn, float beta_fast, float beta_slow)',
  ggml_get_rows: 'int64 ggml_get_rows(int64 ctx, int64 a, int64 b)',
  ggml_set_rows: 'int64 ggml_set_rows(int64 ctx, int64 a, int64 b, int64 c)',
  ggml_reshape_4d: 'int64 ggml_reshape_4d(int64 ctx, int64 a, int64 n0, int64 n1, int64 n2, int64 n3)',
  ggml_permute: 'int64 ggml_permute(int64 ctx, int64 a, int x0, int x1, int x2, int x3)',
  ggml_concat: 'int64 ggml_concat(int64 ctx, int64 a, int64 b, int dim)',
  ggml_cont: 'int64 ggml_cont(int64 ctx, int64 a)',
  ggml_cpy: 'int64 ggml_cpy(int64 ctx, int64 a, int64 b)',
  ggml_view_4d:
    'int64 ggml_view_4d(int64 ctx, int64 a, int64 n0, int64 n1, int64 n2, int64 n3, size_t nb1, size_t nb2, ' +
    'size_t nb3, size_t offset)',
  ggml_flash_attn_ext:
    'int64 ggml_flash_attn_ext(int64 ctx, int64 q, int64 k, int64 v, int64 mask, float scale, float bias, float cap)',
  ggml_flash_attn_ext_set_prec: 'void ggml_flash_attn_ext_set_prec(int64 a, int prec)',
  ggml_soft_max_ext: 'int64 ggml_soft_max_ext(int64 ctx, int64 a, int64 mask, float scale, float bias)',
  ggml_conv_2d: 'int64 ggml_conv_2d(int64 ctx, int64 a, int64 b, int s0, int s1, int p0, int p1, int d0, int d1)',
  ggml_backend_cpu_buffer_from_ptr: 'int64 ggml_backend_cpu_buffer_from_ptr(int64 ptr, size_t size)',
  ggml_backend_tensor_alloc: 'int ggml_backend_tensor_alloc(int64 buffer, int64 tensor, int64 address)',
  ggml_backend_tensor_set: 'void ggml_backend_tensor_set(int64 tensor, int64 data, size_t offset, size_t size)',
  ggml_backend_buft_alloc_buffer: 'int64 ggml_backend_buft_alloc_buffer(int64 buft, size_t size)',
  ggml_backend_buft_get_alignment: 'size_t ggml_backend_buft_get_alignment(int64 buft)',
  ggml_backend_buft_get_alloc_size: 'size_t ggml_backend_buft_get_alloc_size(int64 buft, int64 tensor)',
  ggml_backend_buffer_get_base: 'int64 ggml_backend_buffer_get_base(int64 buffer)',
  ggml_backend_dev_supports_op: 'bool ggml_backend_dev_supports_op(int64 device, int64 op)',
  ggml_backend_buffer_free: 'void ggml_backend_buffer_free(int64 buffer)',
  ggml_backend_get_default_buffer_type: 'int64 ggml_backend_get_default_buffer_type(int64 backend)',
  ggml_backend_graph_compute: 'int ggml_backend_graph_compute(int64 backend, int64 graph)',
  ggml_backend_free: 'void ggml_backend_free(int64 backend)',
  ggml_backend_get_device: 'int64 ggml_backend_get_device(int64 backend)',
  ggml_backend_dev_backend_reg: 'int64 ggml_backend_dev_backend_reg(int64 device)',
  ggml_backend_reg_get_proc_address: 'int64 ggml_backend_reg_get_proc_address(int64 reg, const char *name)',
  ggml_gallocr_new: 'int64 ggml_gallocr_new(int64 buft)',
  ggml_gallocr_free: 'void ggml_gallocr_free(int64 galloc)',
  ggml_gallocr_alloc_graph: 'bool ggml_gallocr_alloc_graph(int64 galloc, int64 graph)',
  ggml_backend_load_all_from_path: 'void ggml_backend_load_all_from_path(const char *path)',
  ggml_backend_init_by_type: 'int64 ggml_backend_init_by_type(int type, int64 params)',
  ggml_threadpool_params_default: 'ggml_threadpool_params ggml_threadpool_params_default(int threads)',
  ggml_log_set: 'void ggml_log_set(int64 callback, int64 data)',
} as const;

const inGgml = new Set(['ggml_backend_load_all_from_path', 'ggml_backend_init_by_type']);

type Native = ((...args: unknown[]) => unknown) & {
  async(...args: unknown[]): void;
};
export type Ggml = { readonly [Name in keyof typeof signatures]: Native } & { readonly libraries: GgmlLibraries };

let loaded: Ggml | undefined;

/** The ggml functions, opened once per process. @throws engine_incompatible when a symbol is missing */
export function ggml(): Ggml {
  loaded ??= bind(openLibraries());
  return loaded;
}

/** The functions of these signatures. @throws engine_incompatible when a symbol is missing */
export function bind(libraries: GgmlLibraries, wanted: Readonly<Record<string, string>> = signatures): Ggml {
  const functions: Record<string, unknown> = { libraries };
  for (const [name, signature] of Object.entries(wanted)) {
    const library = inGgml.has(name) ? libraries.ggml : libraries.base;
    try {
      functions[name] = library.func(signature);
    } catch (cause) {
      throw new TercetError('engine_incompatible', { missing: name }, { cause });
    }
  }
  return functions as Ggml;
}

/** Offsets inside `struct ggml_tensor` of the pinned version, in bytes; checked against a live tensor at start. */
export const tensorLayout = { type: 0, buffer: 8, ne: 16, nb: 48, viewSrc: 232, data: 248, bytes: 336 } as const;
export type TensorLayout = Readonly<Record<keyof typeof tensorLayout, number>>;

/** A view of memory that ggml or the kernel owns; it must not outlive that memory. */
export function memory(address: Pointer, bytes: number): ArrayBuffer {
  return koffi.view(BigInt(address), bytes) as ArrayBuffer;
}

/** Names of types are the process's, and this module may be loaded again in it, as test runners do. */
function defineOnce(define: () => unknown): void {
  try {
    define();
  } catch (error) {
    if (!String(error).includes('Duplicate type name')) throw error;
  }
}

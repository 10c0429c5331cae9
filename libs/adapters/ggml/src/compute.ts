import { setImmediate as nextTurn } from 'node:timers/promises';
import { TercetError } from '@tercet/contracts';
import koffi from 'koffi';
import { ggml, memory, type Pointer } from './ffi.js';
import type { Graph } from './graph.js';

const cpuDevice = 0;
/**
 * `struct ggml_threadpool_params`: 512 flags, threads, priority, polling, two flags; checked with the pinned version.
 */
const poolParams = { bytes: 528, threads: 512, priority: 516, poll: 520 };
/** Rounds that an idle pool thread spins before it sleeps: enough to bridge the gap between two steps, not more. */
const pollLevel = 1;

type Procedure = (...args: unknown[]) => unknown;

/** The CPU backend and its thread pools. One graph runs at a time, off the event loop or between its turns. */
export class Compute {
  readonly #g = ggml();
  readonly #backend: Pointer;
  readonly #device: Pointer;
  readonly #bufferType: Pointer;
  readonly #pools = new Map<number, Pointer>();
  readonly #setThreads: Procedure;
  readonly #setPool: Procedure;
  readonly #newPool: Procedure;
  readonly #freePool: Procedure;
  readonly #extraTypes: Procedure;
  readonly #isThreadOurs: boolean;
  #threads = 0;

  private constructor(backend: Pointer, isThreadOurs: boolean) {
    const g = this.#g;
    this.#backend = backend;
    this.#isThreadOurs = isThreadOurs;
    this.#bufferType = g.ggml_backend_get_default_buffer_type(backend) as Pointer;
    this.#device = g.ggml_backend_get_device(backend) as Pointer;
    const registry = g.ggml_backend_dev_backend_reg(this.#device);
    const procedure = (name: string, signature: string): Procedure => {
      const address = g.ggml_backend_reg_get_proc_address(registry, name) as number;
      if (address === 0) throw new TercetError('engine_incompatible', { missing: name });
      const proto = koffi.proto(signature);
      return (...args) => koffi.call(BigInt(address), proto, ...args);
    };
    this.#setThreads = procedure('ggml_backend_set_n_threads', 'void (int64 backend, int threads)');
    this.#setPool = procedure('ggml_backend_cpu_set_threadpool', 'void (int64 backend, int64 pool)');
    this.#newPool = procedure('ggml_threadpool_new', 'int64 (void *params)');
    this.#extraTypes = procedure('ggml_backend_dev_get_extra_bufts', 'int64 (int64 device)');
    this.#freePool = procedure('ggml_threadpool_free', 'void (int64 pool)');
  }

  /**
   * @param isThreadOurs runs graphs on the calling thread, which serves nothing else: its event loop turns between them
   * @throws engine_incompatible when no CPU variant runs on this processor
   */
  static open(isThreadOurs = false): Compute {
    const g = ggml();
    let backend = g.ggml_backend_init_by_type(cpuDevice, 0) as Pointer;
    if (backend === 0) {
      g.ggml_backend_load_all_from_path(g.libraries.folder);
      backend = g.ggml_backend_init_by_type(cpuDevice, 0) as Pointer;
    }
    if (backend === 0) throw new TercetError('engine_incompatible', { reason: 'no CPU backend' });
    return new Compute(backend, isThreadOurs);
  }

  /** Kinds of memory in which the CPU backend keeps matrices in an order of its own. */
  extraBufferTypes(): Pointer[] {
    const list = this.#extraTypes(this.#device) as Pointer;
    const types: Pointer[] = [];
    for (let at = list; at !== 0; at += 8) {
      const type = Number(new DataView(memory(at, 8)).getBigInt64(0, true));
      if (type === 0) break;
      types.push(type);
    }
    return types;
  }

  /** Whether the CPU computes this operation where its operands lie. */
  supports(operation: Pointer): boolean {
    return this.#g.ggml_backend_dev_supports_op(this.#device, operation) as boolean;
  }

  /** A place for the intermediate results of graphs; `allocate` may be called again for another graph. */
  newAllocator(): GraphAllocator {
    return new GraphAllocator(this.#bufferType);
  }

  /** Computes the graph with so many threads. @throws stage_failed */
  async run(graph: Graph, threads: number): Promise<void> {
    if (this.#isThreadOurs) {
      this.runNow(graph, threads);
      await nextTurn();
      return;
    }
    this.#useThreads(threads);
    const status = await new Promise<number>((resolve, reject) => {
      this.#g.ggml_backend_graph_compute.async(this.#backend, graph.pointer, (error: Error | null, result: number) =>
        error === null ? resolve(result) : reject(error),
      );
    });
    checkStatus(status);
  }

  /** Computes the graph before it returns. @throws stage_failed */
  runNow(graph: Graph, threads: number): void {
    this.#useThreads(threads);
    checkStatus(this.#g.ggml_backend_graph_compute(this.#backend, graph.pointer) as number);
  }

  close(): void {
    this.#setPool(this.#backend, 0);
    for (const pool of this.#pools.values()) this.#freePool(pool);
    this.#g.ggml_backend_free(this.#backend);
  }

  #useThreads(threads: number): void {
    if (threads === this.#threads) return;
    this.#threads = threads;
    this.#setThreads(this.#backend, threads);
    this.#setPool(this.#backend, threads === 1 ? 0 : this.#pool(threads));
  }

  #pool(threads: number): Pointer {
    const known = this.#pools.get(threads);
    if (known !== undefined) return known;
    const params = new DataView(new ArrayBuffer(poolParams.bytes));
    params.setInt32(poolParams.threads, threads, true);
    params.setUint32(poolParams.poll, pollLevel, true);
    const pool = this.#newPool(new Uint8Array(params.buffer)) as Pointer;
    this.#pools.set(threads, pool);
    return pool;
  }
}

function checkStatus(status: number): void {
  if (status !== 0) throw new TercetError('stage_failed', { reason: 'graph', status });
}

/** Memory for the intermediate results of one graph at a time. */
export class GraphAllocator {
  readonly #g = ggml();
  readonly #pointer: Pointer;

  constructor(bufferType: Pointer) {
    this.#pointer = this.#g.ggml_gallocr_new(bufferType) as Pointer;
  }

  /** Gives every tensor of the graph its memory; earlier graphs of this allocator lose theirs. */
  allocate(graph: Graph): void {
    if (!this.#g.ggml_gallocr_alloc_graph(this.#pointer, graph.pointer)) {
      throw new TercetError('stage_failed', { reason: 'no memory for the graph' });
    }
  }

  free(): void {
    this.#g.ggml_gallocr_free(this.#pointer);
  }
}

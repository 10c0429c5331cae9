import { openAsBlob } from 'node:fs';
import { basename } from 'node:path';
import { z } from 'zod';
import { askGateway, expectShape, type GatewayAddress, getJson } from '../commands/gateway-api.js';
import { CommandFailure } from '../terminal/failure.js';

const Batch = z.object({
  id: z.string(),
  endpoint: z.string(),
  status: z.string(),
  created_at: z.number(),
  request_counts: z.object({ total: z.number(), completed: z.number(), failed: z.number() }),
  output_file_id: z.string().nullable(),
  error_file_id: z.string().nullable(),
  errors: z
    .object({ data: z.array(z.object({ message: z.string(), code: z.string(), line: z.number().nullable() })) })
    .nullable(),
});
export type Batch = z.infer<typeof Batch>;

const Batches = z.object({ data: z.array(Batch) });
const Uploaded = z.object({ id: z.string() });

/** Batches of one server. */
export class BatchesApi {
  readonly #at: GatewayAddress;
  readonly #signal: AbortSignal;

  constructor(at: GatewayAddress, signal: AbortSignal) {
    this.#at = at;
    this.#signal = signal;
  }

  /** Uploads the file as it is read. @returns the new batch */
  async submit(path: string, endpoint: string): Promise<Batch> {
    const form = new FormData();
    form.append('purpose', 'batch');
    form.append('file', await openAsBlob(path), basename(path));
    const { id } = expectShape(Uploaded, await this.#post('/v1/files', form), this.#at);
    const body = JSON.stringify({ input_file_id: id, endpoint, completion_window: '24h' });
    return this.#batch(await this.#post('/v1/batches', body));
  }

  async get(id: string): Promise<Batch> {
    return this.#batch(await getJson(this.#at, `/v1/batches/${encodeURIComponent(id)}`, this.#signal));
  }

  async list(limit: number): Promise<readonly Batch[]> {
    return expectShape(Batches, await getJson(this.#at, `/v1/batches?limit=${limit}`, this.#signal), this.#at).data;
  }

  async cancel(id: string): Promise<Batch> {
    return this.#batch(await this.#post(`/v1/batches/${encodeURIComponent(id)}/cancel`, '{}'));
  }

  async *contentOf(fileId: string): AsyncGenerator<string> {
    const path = `/v1/files/${encodeURIComponent(fileId)}/content`;
    const { body } = await askGateway(this.#at, path, { signal: this.#signal });
    const decoder = new TextDecoder();
    try {
      for await (const piece of body ?? []) yield decoder.decode(piece, { stream: true });
    } catch {
      this.#signal.throwIfAborted();
      throw new CommandFailure('the connection broke in the middle of the results', { advice: 'fetch them again' });
    }
  }

  async #post(path: string, body: string | FormData): Promise<unknown> {
    return (await askGateway(this.#at, path, { method: 'POST', body, signal: this.#signal })).json();
  }

  #batch(json: unknown): Batch {
    return expectShape(Batch, json, this.#at);
  }
}

/** Nothing will happen to it any more. */
export function isOver({ status }: Batch): boolean {
  return ['completed', 'failed', 'expired', 'cancelled'].includes(status);
}

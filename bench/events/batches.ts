import { setTimeout as sleep } from 'node:timers/promises';
import type { WholeSystem } from '../serving/whole-system.js';

export interface SubmittedBatch {
  readonly id: string;
  readonly customIds: readonly string[];
}

export interface FoundResults {
  /** Lines of the batch that have none. */
  readonly missing: number;
  /** Results of a line beyond its first. */
  readonly repeated: number;
  readonly failed: number;
}

interface BatchState {
  readonly status: string;
  readonly output_file_id: string | null;
  readonly error_file_id: string | null;
}

const endpoint = '/v1/chat/completions';
const over = new Set(['completed', 'failed', 'expired', 'cancelled']);
const patienceMs = 180_000;

/** Batches of a system whose gateway may be away at any time: every call is tried until it is answered. */
export class Batches {
  readonly #system: WholeSystem;

  constructor(system: WholeSystem) {
    this.#system = system;
  }

  async submit(index: number, lines: number): Promise<SubmittedBatch> {
    const customIds = Array.from({ length: lines }, (_, line) => `${index}-${line}`);
    const input = customIds.map((customId, line) => JSON.stringify(this.#line(customId, `Say ${line}.`))).join('\n');
    const file = await this.#asked<{ id: string }>(() => {
      const body = new FormData();
      body.append('purpose', 'batch');
      body.append('file', new Blob([input]), 'in.jsonl');
      return ['/v1/files', { method: 'POST', body }];
    });
    const body = JSON.stringify({ input_file_id: file.id, endpoint, completion_window: '24h' });
    const { id } = await this.#asked<{ id: string }>(() => ['/v1/batches', { method: 'POST', body }]);
    return { id, customIds };
  }

  async countUnderWay(batches: readonly SubmittedBatch[]): Promise<number> {
    const states = await Promise.all(batches.map((batch) => this.#stateOf(batch)));
    return states.filter((state) => state !== undefined && !over.has(state.status)).length;
  }

  /** @throws Error when they do not come to an end */
  async untilAllOver(batches: readonly SubmittedBatch[]): Promise<void> {
    for (const startMs = performance.now(); performance.now() - startMs < patienceMs; await sleep(200)) {
      if ((await this.countUnderWay(batches)) === 0) return;
    }
    throw new Error('batches do not come to an end');
  }

  async resultsOf(batch: SubmittedBatch): Promise<FoundResults> {
    const state = await this.#stateOf(batch);
    const good = await this.#customIdsOf(state?.output_file_id);
    const failed = await this.#customIdsOf(state?.error_file_id);
    const all = [...good, ...failed];
    const distinct = new Set(all);
    return {
      missing: batch.customIds.filter((customId) => !distinct.has(customId)).length,
      repeated: all.length - distinct.size,
      failed: failed.length,
    };
  }

  #line(customId: string, content: string): object {
    const messages = [{ role: 'user', content }];
    const body = { model: this.#system.model, temperature: 0, max_tokens: 12, messages };
    return { custom_id: customId, method: 'POST', url: endpoint, body };
  }

  /** Undefined when there is no such batch. */
  async #stateOf({ id }: SubmittedBatch): Promise<BatchState | undefined> {
    const response = await this.#answered(() => [`/v1/batches/${id}`, {}]);
    return response.status === 404 ? undefined : ((await response.json()) as BatchState);
  }

  async #customIdsOf(fileId: string | null | undefined): Promise<string[]> {
    if (typeof fileId !== 'string') return [];
    const text = await (await this.#answered(() => [`/v1/files/${fileId}/content`, {}])).text();
    const lines = text.split('\n').filter((line) => line !== '');
    return lines.map((line) => (JSON.parse(line) as { custom_id: string }).custom_id);
  }

  async #asked<T>(ask: () => [string, RequestInit]): Promise<T> {
    const response = await this.#answered(ask);
    if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);
    return (await response.json()) as T;
  }

  async #answered(ask: () => [string, RequestInit]): Promise<Response> {
    for (const startMs = performance.now(); performance.now() - startMs < patienceMs; await sleep(100)) {
      const [path, init] = ask();
      const response = await fetch(this.#system.url + path, init).catch(() => undefined);
      if (response !== undefined && response.status < 500) return response;
    }
    throw new Error('the gateway does not answer');
  }
}

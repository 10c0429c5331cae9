import { z } from 'zod';
import { askGateway, expectShape, type GatewayAddress, getJson } from '../commands/gateway-api.js';

const Field = z.object({ name: z.string(), kind: z.string(), language: z.string().optional() });
const Collection = z.object({
  name: z.string(),
  dimensions: z.number(),
  metric: z.string(),
  fields: z.array(Field),
  embedding: z.object({ model: z.string(), field: z.string() }).nullable(),
  points: z.number(),
  log_bytes: z.number(),
  memory_bytes: z.record(z.string(), z.number()),
});
export type Collection = z.infer<typeof Collection>;
export type Field = z.infer<typeof Field>;

const Names = z.object({ data: z.array(z.object({ name: z.string() })) });
const Receipt = z.object({ offset: z.number(), points: z.number() });
const Snapshot = z.object({ points: z.number(), bytes: z.number() });
const Hits = z.object({
  data: z.array(z.object({ id: z.string(), score: z.number(), payload: z.record(z.string(), z.unknown()).optional() })),
  explanation: z.object({
    route: z.string(),
    exact: z.boolean(),
    matches: z.number(),
    candidates: z.number(),
    text_candidates: z.number(),
    filter_ms: z.number(),
    search_ms: z.number(),
  }),
});
export type Hits = z.infer<typeof Hits>;

export interface NewCollection {
  readonly name: string;
  readonly dimensions?: number;
  readonly metric: string;
  readonly fields: readonly Field[];
  readonly embedding?: { readonly model: string; readonly field: string };
}

export interface Point {
  readonly id: string;
  /** Absent: the gateway embeds the text. */
  readonly vector?: readonly number[];
  readonly payload: Readonly<Record<string, unknown>>;
}

/** Collections of one server. */
export class CollectionsApi {
  readonly #at: GatewayAddress;
  readonly #signal: AbortSignal;

  constructor(at: GatewayAddress, signal: AbortSignal) {
    this.#at = at;
    this.#signal = signal;
  }

  async create(collection: NewCollection): Promise<Collection> {
    return this.#read(Collection, await this.#post('/v1/collections', collection));
  }

  async names(): Promise<string[]> {
    const names = this.#read(Names, await getJson(this.#at, '/v1/collections', this.#signal));
    return names.data.map(({ name }) => name);
  }

  async get(name: string): Promise<Collection> {
    return this.#read(Collection, await getJson(this.#at, pathOf(name), this.#signal));
  }

  async delete(name: string): Promise<void> {
    await askGateway(this.#at, pathOf(name), { method: 'DELETE', signal: this.#signal });
  }

  async upsert(name: string, points: readonly Point[]): Promise<{ offset: number; points: number }> {
    return this.#read(Receipt, await this.#post(`${pathOf(name)}/points`, { points }));
  }

  async search(name: string, search: object): Promise<Hits> {
    return this.#read(Hits, await this.#post(`${pathOf(name)}/search`, search));
  }

  async backup(name: string, backup: string): Promise<{ points: number; bytes: number }> {
    return this.#read(Snapshot, await this.#post(`${pathOf(name)}/backup`, { backup }));
  }

  async restore(name: string, backup: string): Promise<Collection> {
    return this.#read(Collection, await this.#post(`${pathOf(name)}/restore`, { backup }));
  }

  async #post(path: string, body: object): Promise<unknown> {
    const init = { method: 'POST', body: JSON.stringify(body), signal: this.#signal };
    return (await askGateway(this.#at, path, init)).json();
  }

  #read<Schema extends z.ZodType>(schema: Schema, json: unknown): z.infer<Schema> {
    return expectShape(schema, json, this.#at);
  }
}

function pathOf(name: string): string {
  return `/v1/collections/${encodeURIComponent(name)}`;
}

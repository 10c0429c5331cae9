import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type StageName, stageNames } from '@tercet/allocation';
import type { ResolvedModel } from '@tercet/models';
import type { EngineShape } from './bare-engine.js';

type StageCounts = Partial<Record<StageName, number>>;

const command = fileURLToPath(new URL('../../cli/dist/main.js', import.meta.url));

export interface SystemOptions extends StageCounts {
  readonly events?: object;
  readonly settings?: Readonly<Record<string, string>>;
}

/** `tercet up` in its own processes, as a person would start it. */
export class WholeSystem implements AsyncDisposable {
  readonly url: string;
  readonly model: string;
  readonly #folder: string;
  readonly #child: ReturnType<typeof spawn>;
  readonly #stages: StageCounts;

  private constructor(parts: {
    url: string;
    model: string;
    folder: string;
    child: ReturnType<typeof spawn>;
    processes: StageCounts;
  }) {
    this.url = parts.url;
    this.model = parts.model;
    this.#folder = parts.folder;
    this.#child = parts.child;
    this.#stages = parts.processes;
  }

  /**
   * @param options how many processes of each stage, one by default; settings of the event log, by default the system's
   *                own file; and settings of services as variables
   */
  static async start(
    model: ResolvedModel,
    shape: EngineShape,
    { events, settings = {}, ...processes }: SystemOptions = {},
  ): Promise<WholeSystem> {
    const folder = mkdtempSync(join(tmpdir(), 'tercet-bench-'));
    const eventsPath = join(folder, 'events.json');
    if (events !== undefined) writeFileSync(eventsPath, JSON.stringify(events));
    const options = {
      ...processes,
      ...(events === undefined ? {} : { events: eventsPath }),
      model: model.mmproj === undefined ? model.model : `${model.model}+${model.mmproj}`,
      cores: shape.cores,
      context: shape.contextTokensMax,
      slots: shape.slots,
      port: await freePort(),
      'grpc-port': await freePort(),
    };
    const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
    const child = spawn(process.execPath, [command, 'up', ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...settings, TERCET_STATE: folder },
    });
    const url = await firstLine(child);
    return new WholeSystem({ url, model: nameOf(model), folder, child, processes });
  }

  /** Its stage processes as they were started, and where they are called. */
  get stages(): { readonly role: StageName; readonly endpoint: string }[] {
    return stageNames.flatMap((role) =>
      Array.from({ length: this.#stages[role] ?? 1 }, (_, index) => {
        return { role, endpoint: `unix:${join(this.#folder, 'run', `${role}-${index}.sock`)}` };
      }),
    );
  }

  /** Ids of all its processes by name; the supervisor's alone where the system does not tell children. */
  get processes(): ReadonlyMap<string, number> {
    const supervisor = this.#child.pid ?? 0;
    const ready = this.#log().filter(({ event }) => event === 'stage.ready' || event === 'gateway.ready');
    const names = new Map(ready.map(({ pid, podId }) => [pid, podId ?? 'gateway']));
    const path = `/proc/${supervisor}/task/${supervisor}/children`;
    const children = existsSync(path) ? readFileSync(path, 'utf8').trim().split(' ').map(Number) : [];
    return new Map([
      ['supervisor', supervisor],
      ...children.map((pid) => [names.get(pid) ?? `starting ${pid}`, pid] as const),
    ]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const exited = new Promise((resolve) => this.#child.once('exit', resolve));
    if (this.#child.exitCode === null) {
      this.#child.kill('SIGINT');
      await exited;
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #log(): { event: string; podId?: string; pid?: number }[] {
    const path = join(this.#folder, 'tercet.log');
    const lines = existsSync(path) ? readFileSync(path, 'utf8').split('\n') : [];
    return lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line));
  }
}

/** The name under which `tercet up` serves files. */
function nameOf({ model }: ResolvedModel): string {
  return (model.split('/').at(-1) ?? '').replace(/\.gguf$/, '');
}

/** What the process says first on standard output. @throws what it said on standard error when it ends instead */
async function firstLine(child: ReturnType<typeof spawn>): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let said = '';
  child.stderr?.on('data', (data) => {
    said += String(data);
  });
  child.stdout?.once('data', (data) => resolve(String(data).trim()));
  child.once('error', reject);
  child.once('exit', (code) => reject(new Error(`tercet up ended with ${code}: ${said}`)));
  return promise;
}

export function freePort(): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const server = createServer().once('error', reject);
  server.listen(0, '127.0.0.1', () => {
    const address = server.address();
    server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
  });
  return promise;
}

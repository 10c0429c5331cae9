import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { environment, freePort } from '@tercet/testing';

const command = fileURLToPath(new URL('../../../cli/dist/main.js', import.meta.url));
const startTimeoutMs = 60_000;

/** A whole system, started as a person would start it. */
export class RunningSystem implements AsyncDisposable {
  readonly url: string;
  readonly grpcPort: number;
  readonly folder: string;
  readonly exited: Promise<number | null>;
  readonly #child: ReturnType<typeof spawn>;

  private constructor(options: { url: string; grpcPort: number; folder: string; child: ReturnType<typeof spawn> }) {
    this.url = options.url;
    this.grpcPort = options.grpcPort;
    this.folder = options.folder;
    this.#child = options.child;
    this.exited = new Promise((resolve) => options.child.once('exit', resolve));
  }

  /**
   * @param args options of `tercet up`
   * @param before what lies in its state folder already, and settings of its services as environment variables
   */
  static async start(
    args: readonly string[] = [],
    { files = {}, settings = {} }: { readonly files?: Texts; readonly settings?: Texts } = {},
  ): Promise<RunningSystem> {
    const folder = mkdtempSync(join(tmpdir(), 'tercet-system-'));
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
    const grpcPort = await freePort();
    const ports = ['--port', String(await freePort()), '--grpc-port', String(grpcPort)];
    const child = spawn(process.execPath, [command, 'up', ...ports, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...environment, ...settings, TERCET_STATE: folder },
    });
    let said = '';
    child.stderr.on('data', (data) => {
      said += String(data);
    });
    const url = await new Promise<string>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`did not start in time: ${said}`)), startTimeoutMs);
      child.stdout.once('data', (data) => {
        clearTimeout(timer);
        resolve(String(data).trim());
      });
      child.once('exit', (code) => reject(new Error(`exit code ${code}: ${said}`)));
    });
    return new RunningSystem({ url, grpcPort, folder, child });
  }

  /** Every line that its processes logged. */
  log(): { event: string; podId?: string; pid?: number; [field: string]: unknown }[] {
    const path = join(this.folder, 'tercet.log');
    const lines = existsSync(path) ? readFileSync(path, 'utf8').split('\n') : [];
    return lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line));
  }

  /** Process id of a stage, the latest when it was started again. */
  pidOf(podId: string): number {
    const ready = this.log().findLast((line) => line.event === 'stage.ready' && line.podId === podId);
    if (ready?.pid === undefined) throw new Error(`${podId} is not there`);
    return ready.pid;
  }

  async post(path: string, body: unknown, signal?: AbortSignal): Promise<Response> {
    const json = typeof body === 'string' ? body : JSON.stringify(body);
    return fetch(`${this.url}${path}`, { method: 'POST', body: json, ...(signal === undefined ? {} : { signal }) });
  }

  async pods(): Promise<PodState[]> {
    const response = await fetch(`${this.url}/tercet/pods`);
    return ((await response.json()) as { pods: PodState[] }).pods;
  }

  /** Waits until the pods are as asked. */
  async until(condition: (pods: readonly PodState[]) => boolean, timeoutMs = 15_000): Promise<void> {
    for (const startMs = performance.now(); performance.now() - startMs < timeoutMs; await sleep(50)) {
      if (condition(await this.pods())) return;
    }
    throw new Error(`pods did not become so: ${JSON.stringify(await this.pods())}`);
  }

  /** Asks it to end, as Ctrl-C does. */
  stop(): void {
    this.#child.kill('SIGINT');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stop();
    await this.exited;
    rmSync(this.folder, { recursive: true, force: true });
  }
}

type Texts = Readonly<Record<string, string>>;

export interface PodState {
  readonly podId: string;
  readonly role: string;
  readonly epoch: number;
  readonly phase: string;
  readonly running: number;
  readonly waiting: number;
  readonly kvBlocksUsed: number;
  readonly leasesOpen: number;
}

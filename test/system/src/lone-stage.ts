import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { environment } from '@tercet/testing';

const startTimeoutMs = 30_000;
const at = (path: string) => fileURLToPath(new URL(`../../../${path}`, import.meta.url));

export interface LoneStageOptions {
  readonly podId: string;
  /** Where its sockets are made. */
  readonly folder: string;
  readonly role: 'encode' | 'prefill' | 'decode';
  readonly leases?: { readonly ttlMs: number; readonly quarantineMs: number };
}

/** A stage process with the tiny model that no gateway knows. */
export class LoneStage implements AsyncDisposable {
  readonly podId: string;
  readonly #child: ReturnType<typeof spawn>;

  private constructor(podId: string, child: ReturnType<typeof spawn>) {
    this.podId = podId;
    this.#child = child;
  }

  static async start({ podId, folder, role, leases }: LoneStageOptions): Promise<LoneStage> {
    const tiny = { path: at('models/tiny/tercet-tiny.gguf'), mmprojPath: at('models/tiny/mmproj-tercet-tiny.gguf') };
    const config = {
      POD_ID: podId,
      GRPC_ENDPOINT: `unix:${folder}/${podId}.sock`,
      TENSORS: JSON.stringify({ kind: 'unix', path: `${folder}/${podId}.tensors.sock` }),
      ROLE: role,
      MODEL: JSON.stringify({ name: 'tercet-tiny', ...tiny }),
      ...(leases === undefined ? {} : { LEASES: JSON.stringify(leases) }),
    };
    const env = Object.fromEntries(Object.entries(config).map(([key, value]) => [`TERCET__STAGE__${key}`, value]));
    const child = spawn(process.execPath, [at('services/stage/dist/main.js')], {
      env: { ...environment, ...env },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const timer = setTimeout(() => child.kill('SIGKILL'), startTimeoutMs);
    const said: string[] = [];
    const lines = createInterface({ input: child.stderr });
    for await (const line of lines) {
      said.push(line);
      if (line.includes('"stage.ready"')) {
        clearTimeout(timer);
        child.stderr.resume();
        return new LoneStage(podId, child);
      }
    }
    throw new Error(`${podId} did not start: ${said.join('\n')}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const exited = once(this.#child, 'exit');
    this.#child.kill('SIGTERM');
    await exited;
  }
}

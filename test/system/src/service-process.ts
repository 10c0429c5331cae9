import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { environment } from '@tercet/testing';

const startTimeoutMs = 30_000;

/** Path of a file of this repository. */
export const at = (path: string) => fileURLToPath(new URL(`../../../${path}`, import.meta.url));

/** One service, started without a supervisor. */
export class ServiceProcess implements AsyncDisposable {
  /** Every line that it logged. */
  readonly said: readonly string[];
  readonly #child: ReturnType<typeof spawn>;

  private constructor(said: readonly string[], child: ReturnType<typeof spawn>) {
    this.said = said;
    this.#child = child;
  }

  /** @param config keys of the section's variables; what is no text becomes JSON */
  static async start(service: 'stage' | 'gateway', config: Readonly<Record<string, unknown>>): Promise<ServiceProcess> {
    const text = (value: unknown) => (typeof value === 'string' ? value : JSON.stringify(value));
    const entries = Object.entries(config).filter(([, value]) => value !== undefined);
    const prefix = `TERCET__${service.toUpperCase()}__`;
    const env = Object.fromEntries(entries.map(([key, value]) => [`${prefix}${key}`, text(value)]));
    const child = spawn(process.execPath, [at(`services/${service}/dist/main.js`)], {
      env: { ...environment, ...env },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const timer = setTimeout(() => child.kill('SIGKILL'), startTimeoutMs);
    const said: string[] = [];
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const lines = createInterface({ input: child.stderr });
    lines.on('line', (line) => {
      said.push(line);
      if (line.includes(`"${service}.ready"`)) resolve();
    });
    child.once('exit', () => reject(new Error(`the ${service} did not start: ${said.join('\n')}`)));
    await promise.finally(() => clearTimeout(timer));
    return new ServiceProcess(said, child);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const exited = once(this.#child, 'exit');
    this.#child.kill('SIGTERM');
    await exited;
  }
}

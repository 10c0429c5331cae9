import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, existsSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const startTimeoutMs = 30_000;
/** The server refuses to run as root: then it is `nobody`. */
const owner = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : undefined;

/** A PostgreSQL of a test's own: a Unix socket in a temporary folder, and no syncs to the disk, for it may be lost. */
export class PrivatePostgres implements AsyncDisposable {
  readonly address: { readonly host: string; readonly port: number; readonly database: string; readonly user: string };
  readonly #program: string;
  #server: ReturnType<typeof spawn>;

  /** @param program path of `postgres`, as `needs` finds it; `initdb` lies beside the file that it leads to */
  static async start(program: string): Promise<PrivatePostgres> {
    const folder = mkdtempSync(join(tmpdir(), 'tercet-postgres-'));
    if (owner !== undefined) chownSync(folder, owner.uid, owner.gid);
    const initdb = join(dirname(realpathSync(program)), 'initdb');
    const options = ['-D', join(folder, 'data'), '-U', 'tercet', '--auth=trust', '--no-sync', '--locale=C.UTF-8'];
    execFileSync(initdb, options, { stdio: 'ignore', cwd: folder, ...owner });
    const postgres = new PrivatePostgres(program, folder);
    await postgres.#untilReady();
    return postgres;
  }

  private constructor(program: string, folder: string) {
    this.address = { host: folder, port: 5432, database: 'postgres', user: 'tercet' };
    this.#program = program;
    this.#server = this.#spawn();
  }

  /** Kills it in the middle of whatever it does, and starts it again on the same data. */
  async crash(): Promise<void> {
    await this.#end('SIGQUIT');
    this.#server = this.#spawn();
    await this.#untilReady();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end('SIGINT');
    rmSync(this.address.host, { recursive: true, force: true });
  }

  #spawn(): ReturnType<typeof spawn> {
    const folder = this.address.host;
    const settings = ['listen_addresses=', 'fsync=off', `unix_socket_directories=${folder}`];
    const args = ['-D', join(folder, 'data'), ...settings.flatMap((setting) => ['-c', setting])];
    return spawn(this.#program, args, { stdio: 'ignore', cwd: folder, ...owner });
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    if (this.#server.exitCode !== null) return;
    const exited = once(this.#server, 'exit');
    this.#server.kill(signal);
    await exited;
  }

  async #untilReady(): Promise<void> {
    const { host, port } = this.address;
    const isReady = join(dirname(realpathSync(this.#program)), 'pg_isready');
    for (const startMs = performance.now(); performance.now() - startMs < startTimeoutMs; await sleep(50)) {
      if (this.#server.exitCode !== null) throw new Error(`postgres ended with code ${this.#server.exitCode}`);
      if (!existsSync(join(host, `.s.PGSQL.${port}`))) continue;
      try {
        execFileSync(isReady, ['-h', host, '-p', String(port)], { stdio: 'ignore' });
        return;
      } catch {
        // Not yet.
      }
    }
    throw new Error('postgres did not start in time');
  }
}

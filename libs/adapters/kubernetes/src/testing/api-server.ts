import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { KubernetesApi } from '../api.js';
import { servingPoolDefinition } from '../custom-resource.js';

const startTimeoutMs = 60_000;
const token = 'a-token-of-this-test';

/** etcd and the API server of Kubernetes, without nodes: what a controller talks to, started for one test file. */
export class ApiServer implements AsyncDisposable {
  readonly kubeconfig: string;
  readonly #folder: string;
  readonly #children: readonly ChildProcess[];

  private constructor(parts: { kubeconfig: string; folder: string; children: readonly ChildProcess[] }) {
    this.kubeconfig = parts.kubeconfig;
    this.#folder = parts.folder;
    this.#children = parts.children;
  }

  /** @param bin folder with `etcd`, `kube-apiserver` and `kubectl` */
  static async start(bin: string): Promise<ApiServer> {
    const folder = mkdtempSync(join(tmpdir(), 'tercet-api-server-'));
    const [clients, peers, port] = [await freePort(), await freePort(), await freePort()];
    const etcd = `http://127.0.0.1:${clients}`;
    const key = join(folder, 'accounts.key');
    execFileSync('openssl', ['genrsa', '-out', key, '2048'], { stdio: 'ignore' });
    writeFileSync(join(folder, 'tokens.csv'), `${token},admin,admin,system:masters\n`);
    const kubeconfig = join(folder, 'kubeconfig');
    writeFileSync(kubeconfig, JSON.stringify(kubeconfigOf(port)));
    const start = (name: string, args: readonly string[]) => {
      const log = openSync(join(folder, `${name}.log`), 'a');
      return spawn(join(bin, name), args, { stdio: ['ignore', log, log] });
    };
    const children = [
      start('etcd', [
        ...[`--data-dir=${join(folder, 'etcd')}`, '--unsafe-no-fsync', '--log-level=error'],
        ...[`--listen-client-urls=${etcd}`, `--advertise-client-urls=${etcd}`],
        ...[`--listen-peer-urls=http://127.0.0.1:${peers}`],
      ]),
      start('kube-apiserver', [
        ...[`--etcd-servers=${etcd}`, '--bind-address=127.0.0.1', `--secure-port=${port}`],
        ...[`--cert-dir=${join(folder, 'certificates')}`, `--token-auth-file=${join(folder, 'tokens.csv')}`],
        ...['--authorization-mode=RBAC', '--service-cluster-ip-range=10.0.0.0/24'],
        ...['--disable-admission-plugins=ServiceAccount', '--service-account-issuer=https://tests'],
        ...[`--service-account-key-file=${key}`, `--service-account-signing-key-file=${key}`],
      ]),
    ];
    const server = new ApiServer({ kubeconfig, folder, children });
    try {
      await server.#untilReady(join(bin, 'kubectl'));
      return server;
    } catch (error) {
      await server[Symbol.asyncDispose]();
      throw error;
    }
  }

  api(): KubernetesApi {
    return KubernetesApi.open({ kubeconfig: this.kubeconfig, namespace: 'default' });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#children) {
      if (child.exitCode !== null) continue;
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await ended;
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #untilReady(kubectl: string): Promise<void> {
    const definition = join(this.#folder, 'definition.json');
    writeFileSync(definition, JSON.stringify(servingPoolDefinition()));
    const signal = AbortSignal.timeout(startTimeoutMs);
    const run = (...args: string[]) =>
      execFileSync(kubectl, ['--kubeconfig', this.kubeconfig, ...args], { stdio: 'ignore' });
    for (;;) {
      try {
        run('get', '--raw', '/readyz');
        run('get', 'namespace', 'default');
        break;
      } catch {
        signal.throwIfAborted();
        await sleep(200);
      }
    }
    run('apply', '-f', definition);
    run('wait', '--for=condition=Established', '--timeout=30s', 'crd/servingpools.tercet.dev');
  }
}

function kubeconfigOf(port: number) {
  const cluster = { server: `https://127.0.0.1:${port}`, 'insecure-skip-tls-verify': true };
  return {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'tests', cluster }],
    users: [{ name: 'admin', user: { token } }],
    contexts: [{ name: 'tests', context: { cluster: 'tests', user: 'admin' } }],
    'current-context': 'tests',
  };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

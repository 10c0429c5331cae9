import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { startedCluster } from './config.js';
import { image } from './manifests.js';

const run = promisify(execFile);
const chart = fileURLToPath(new URL('../../../helm/tercet/', import.meta.url));
const [repository, tag] = image.split(/:(?=[^:]*$)/);
const laptop = ['--values', `${chart}values/laptop.yaml`, '--set', `image.repository=${repository},image.tag=${tag}`];
const patience = ['--wait', '--timeout', '150s'];

/** The chart in a namespace, by helm, with the values for a laptop and the image that this cluster has. */
export class Release {
  readonly #namespace: string;
  readonly name = 'tercet';

  constructor(namespace: string) {
    this.#namespace = namespace;
  }

  /** Resolves when everything is ready. @returns what helm says, notes among it */
  install(...args: string[]): Promise<string> {
    return this.#helm('install', this.name, chart, ...laptop, ...patience, ...args);
  }

  upgrade(...args: string[]): Promise<string> {
    return this.#helm('upgrade', this.name, chart, ...laptop, ...patience, ...args);
  }

  test(): Promise<string> {
    return this.#helm('test', this.name, '--timeout', '60s');
  }

  async revision(): Promise<number> {
    const status = await this.#helm('status', this.name, '--output', 'json');
    return (JSON.parse(status) as { version: number }).version;
  }

  uninstall(): Promise<string> {
    return this.#helm('uninstall', this.name, ...patience);
  }

  /** @throws with what helm says against it */
  async #helm(...args: string[]): Promise<string> {
    const { helm, kubeconfig } = startedCluster();
    return (await run(helm, ['--kubeconfig', kubeconfig, '--namespace', this.#namespace, ...args])).stdout;
  }
}

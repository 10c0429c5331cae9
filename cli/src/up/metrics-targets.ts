import { renameSync, writeFileSync } from 'node:fs';

/**
 * The file that a Prometheus on this machine reads to find every process of the system (`file_sd_configs`): ports are
 * whichever were free, and change when a process is started again.
 */
export class MetricsTargets {
  readonly path: string;
  readonly #endpoints = new Map<string, string>();

  constructor(path: string) {
    this.path = path;
    this.#write();
  }

  /** @param endpoint `host:port` */
  add(name: string, endpoint: string): void {
    this.#endpoints.set(name, endpoint);
    this.#write();
  }

  remove(name: string): void {
    if (this.#endpoints.delete(name)) this.#write();
  }

  /** At once as a whole: a reader never sees half a file. */
  #write(): void {
    const targets = [...this.#endpoints].map(([pod, endpoint]) => ({
      targets: [endpoint],
      labels: { job: 'tercet', namespace: 'local', pod },
    }));
    writeFileSync(`${this.path}.new`, `${JSON.stringify(targets, null, 2)}\n`, { mode: 0o600 });
    renameSync(`${this.path}.new`, this.path);
  }
}

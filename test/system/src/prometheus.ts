import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '@tercet/testing';

const startTimeoutMs = 30_000;

export interface PrometheusOptions {
  readonly program: string;
  /** File that lists what to scrape, and keeps changing. */
  readonly targetsPath: string;
  readonly rulesPath: string;
}

export interface Sample {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: number;
}

/** A real Prometheus that scrapes once a second. */
export class Prometheus implements AsyncDisposable {
  readonly #url: string;
  readonly #folder: string;
  readonly #child: ReturnType<typeof spawn>;

  private constructor(url: string, folder: string, child: ReturnType<typeof spawn>) {
    this.#url = url;
    this.#folder = folder;
    this.#child = child;
  }

  static async start({ program, targetsPath, rulesPath }: PrometheusOptions): Promise<Prometheus> {
    const folder = mkdtempSync(join(tmpdir(), 'tercet-prometheus-'));
    const config = {
      global: { scrape_interval: '1s', scrape_timeout: '1s', evaluation_interval: '1s' },
      rule_files: [rulesPath],
      scrape_configs: [{ job_name: 'tercet', file_sd_configs: [{ files: [targetsPath], refresh_interval: '1s' }] }],
    };
    writeFileSync(join(folder, 'prometheus.yml'), JSON.stringify(config));
    const address = `127.0.0.1:${await freePort()}`;
    const child = spawn(
      program,
      [
        `--config.file=${folder}/prometheus.yml`,
        `--storage.tsdb.path=${folder}/data`,
        `--web.listen-address=${address}`,
        '--log.level=error',
      ],
      { stdio: 'ignore' },
    );
    const prometheus = new Prometheus(`http://${address}`, folder, child);
    await prometheus.#untilReady();
    return prometheus;
  }

  /** What a query gives now. @throws when Prometheus does not take it */
  async query(query: string): Promise<Sample[]> {
    const { data, error } = await this.#get(`/api/v1/query?query=${encodeURIComponent(query)}`);
    if (error !== undefined) throw new Error(`${query}: ${error}`);
    const { result } = data as { result: { metric: Record<string, string>; value: [number, string] }[] };
    return result.map(({ metric, value }) => ({ metric, value: Number(value[1]) }));
  }

  /** Names of the rules by how their last evaluation went. */
  async ruleHealth(): Promise<ReadonlyMap<string, string>> {
    const { data } = await this.#get('/api/v1/rules');
    const { groups } = data as { groups: { rules: { name: string; health: string }[] }[] };
    return new Map(groups.flatMap(({ rules }) => rules.map(({ name, health }) => [name, health] as const)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const exited = once(this.#child, 'exit');
    this.#child.kill('SIGTERM');
    await exited;
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #untilReady(): Promise<void> {
    for (const startMs = performance.now(); performance.now() - startMs < startTimeoutMs; await sleep(100)) {
      const response = await fetch(`${this.#url}/-/ready`).catch(() => undefined);
      if (response?.ok === true) return;
    }
    throw new Error('Prometheus did not start');
  }

  async #get(path: string): Promise<{ data?: unknown; error?: string }> {
    const response = await fetch(`${this.#url}${path}`);
    return (await response.json()) as { data?: unknown; error?: string };
  }
}

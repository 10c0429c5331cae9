import type { wire } from '@tercet/contracts';
import type { Finding, Pass } from '@tercet/controller-core';
import type { Log, LogFields } from '@tercet/telemetry';
import type { WorkerPods } from './pods/worker-pods.js';
import { roleChangesOf } from './role-facts.js';

export interface PassReporterOptions {
  readonly pods: Pick<WorkerPods, 'statuses'>;
  readonly log: Log;
  /** Tells others that a pod changed its role. */
  publish(change: wire.RoleChange): void;
}

/** Tells what the passes found and decided: in the log, in counts, and to whoever follows the roles. */
export class PassReporter {
  readonly #options: PassReporterOptions;
  readonly #counts = new Map<Finding['kind'], number>();
  #before = new Set<string>();

  constructor(options: PassReporterOptions) {
    this.#options = options;
  }

  /** How often each kind of thing was found since this process began. */
  get counts(): wire.FindingCount[] {
    return [...this.#counts].map(([kind, count]) => ({ kind, count }));
  }

  report(pass: Pass): void {
    const { pods, log, publish } = this.#options;
    const found = pass.findings.map(fieldsOf);
    for (const fields of found) {
      this.#counts.set(fields.kind, (this.#counts.get(fields.kind) ?? 0) + 1);
      // What lasts is told once.
      if (!this.#before.has(keyOf(fields))) log.info('controller.found', fields);
    }
    this.#before = new Set(found.map(keyOf));
    for (const { podId, role, expectedEpoch } of pass.asks) {
      log.info('controller.asks', { why: pass.kind, podId, role, expectedEpoch });
    }
    if (pass.judged !== undefined) log.info('controller.judged', { ...pass.judged });
    for (const change of roleChangesOf(pass, pods.statuses)) publish(change);
  }
}

type FindingFields = LogFields & { readonly kind: Finding['kind']; readonly podId: string };

function fieldsOf(finding: Finding): FindingFields {
  if (!('move' in finding)) return { ...finding };
  const { podId, from, to, reason, decision } = finding.move;
  return { kind: finding.kind, podId, from, to, reason, decision };
}

function keyOf({ kind, podId }: FindingFields): string {
  return `${kind} ${podId}`;
}

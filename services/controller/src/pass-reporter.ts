import type { Clock } from '@tercet/base';
import type { wire } from '@tercet/contracts';
import type { Finding, Pass } from '@tercet/controller-core';
import { type EventLog, FactWriter } from '@tercet/event-log';
import type { Log, LogFields } from '@tercet/telemetry';
import type { WorkerPods } from './pods/worker-pods.js';
import { roleChangesOf } from './role-facts.js';

export interface PassReporterOptions {
  readonly pods: Pick<WorkerPods, 'statuses'>;
  /** Where changes of roles are written to. */
  readonly events: EventLog | undefined;
  readonly log: Log;
  readonly clock: Clock;
}

/** Role changes that are remembered. */
const changesMax = 50;

/** Tells what the passes found and decided: in the log, in counts, and as the changes of roles, on their topic too. */
export class PassReporter {
  readonly #options: PassReporterOptions;
  readonly #facts: FactWriter | undefined;
  readonly #counts = new Map<Finding['kind'], number>();
  #changes: wire.SeenRoleChange[] = [];
  #before = new Set<string>();

  constructor(options: PassReporterOptions) {
    this.#options = options;
    const { events, log } = options;
    this.#facts = events && new FactWriter(events, (error) => log.info('events.changed', { isWritten: !error, error }));
  }

  /** How often each kind of thing was found since this process began. */
  get counts(): wire.FindingCount[] {
    return [...this.#counts].map(([kind, count]) => ({ kind, count }));
  }

  /** The latest changes of roles, the newest last. */
  get changes(): readonly wire.SeenRoleChange[] {
    return this.#changes;
  }

  report(pass: Pass): void {
    const { pods, log, clock } = this.#options;
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
    const unixMs = BigInt(Math.round(clock.unixMs()));
    const changes = roleChangesOf(pass, pods.statuses).map((change) => ({ unixMs, change }));
    for (const { change } of changes) {
      this.#facts?.write('roles', { key: change.podId, body: { $case: 'roleChange', value: change } });
    }
    this.#changes = [...this.#changes, ...changes].slice(-changesMax);
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

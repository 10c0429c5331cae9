import { closeSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { toTercetError } from '@tercet/contracts';

/** An administrative call: who did what. Never a key, and nothing that a user wrote. */
export interface AuditEntry {
  /** `audit.key_created`, `audit.key_revoked`, `audit.tenant_set` … */
  readonly event: `audit.${string}`;
  /** The user of this machine, or the id of the key that asked. */
  readonly actor: string;
  readonly fields: Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>;
}

/**
 * One JSON line for each administrative call, appended to a file that only its user may read. It is opened before the
 * call is made, so that what cannot be written down is not done.
 */
export class AuditLog implements Disposable {
  readonly #file: number;
  readonly #now: () => number;

  private constructor(file: number, now: () => number) {
    this.#file = file;
    this.#now = now;
  }

  /** @throws store_unavailable */
  static open(path: string, now: () => number): AuditLog {
    try {
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
      return new AuditLog(openSync(path, 'a', 0o600), now);
    } catch (error) {
      throw toTercetError(error, 'store_unavailable');
    }
  }

  write({ event, actor, fields }: AuditEntry): void {
    const time = new Date(this.#now()).toISOString();
    writeSync(this.#file, `${JSON.stringify({ time, event, actor, ...fields })}\n`);
  }

  [Symbol.dispose](): void {
    closeSync(this.#file);
  }
}

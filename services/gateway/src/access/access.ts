import { type KeyRefusal, TercetError } from '@tercet/contracts';
import { anonymous, type Scope, scopes } from '@tercet/tenancy';
import type { KeyRing } from './key-ring.js';

/** Who asks. */
export interface Caller {
  readonly tenant: string;
  /** Absent where no key was needed and none was given. */
  readonly keyId?: string;
  readonly scopes: readonly Scope[];
}

export interface AccessOptions {
  readonly keys: Pick<KeyRing, 'keyOf'>;
  /** Where it is not, whoever shows no key may do everything. */
  readonly required: boolean;
  /** Hears of every request whose key did not let it in. */
  readonly onRefused?: (reason: KeyRefusal) => void;
}

const nobodyInParticular: Caller = { tenant: anonymous, scopes };

/** Decides who a request comes from, and whether that is enough for what it wants. */
export class Access {
  readonly #options: AccessOptions;

  constructor(options: AccessOptions) {
    this.#options = options;
  }

  /**
   * The caller behind an `Authorization` header. Where keys are not required, what is no key of ours counts as none:
   * clients of OpenAI's API always send something. A key of ours must be valid all the same.
   * @throws unauthenticated, forbidden, store_unavailable
   */
  callerOf(authorization: string | undefined, scope: Scope): Caller {
    try {
      return this.#callerOf(authorization, scope);
    } catch (error) {
      const reason = refusalOf(error);
      if (reason !== undefined) this.#options.onRefused?.(reason);
      throw error;
    }
  }

  #callerOf(authorization: string | undefined, scope: Scope): Caller {
    const { keys, required } = this.#options;
    const token = /^Bearer +(\S+) *$/i.exec(authorization ?? '')?.[1];
    const claimsKey = token?.startsWith('tck_') === true;
    if (!required && !claimsKey) return nobodyInParticular;
    if (token === undefined) throw new TercetError('unauthenticated', { reason: 'no key' satisfies KeyRefusal });
    const { id, tenant, scopes: allowed } = keys.keyOf(token);
    if (!allowed.includes(scope)) throw new TercetError('forbidden', { keyId: id, needs: scope });
    return { tenant, keyId: id, scopes: allowed };
  }
}

/** `undefined` where it was not the key that was wrong. */
function refusalOf(error: unknown): KeyRefusal | undefined {
  if (!(error instanceof TercetError)) return undefined;
  if (error.code === 'forbidden') return 'scope';
  return error.code === 'unauthenticated' ? (error.details.reason as KeyRefusal) : undefined;
}

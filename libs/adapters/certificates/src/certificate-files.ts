import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import type { CertificateSet, Certificates } from '@tercet/base';
import { TercetError } from '@tercet/contracts';

/** PEM files: who may be believed, what this process shows, and its private key. */
export interface CertificatePaths {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

export interface CertificateFilesOptions {
  readonly refreshMs: number;
  /** Hears why files that changed were not taken, once for each change. */
  readonly onBadChange?: (error: TercetError) => void;
}

/**
 * Certificates from files that somebody renews. They are read again at an interval; a set that does not fit together,
 * because a file is missing or only half of them were renewed, leaves the one before in use.
 */
export class CertificateFiles implements Certificates, Disposable {
  readonly #paths: CertificatePaths;
  readonly #options: CertificateFilesOptions;
  readonly #listeners = new Set<(certificates: CertificateSet) => void>();
  readonly #timer: NodeJS.Timeout;
  #current: CertificateSet;
  #refused = '';

  /** @throws config_invalid when the files cannot be read or do not fit together */
  constructor(paths: CertificatePaths, options: CertificateFilesOptions) {
    this.#paths = paths;
    this.#options = options;
    this.#current = readSet(paths);
    this.#timer = setInterval(() => this.refresh(), options.refreshMs).unref();
  }

  get current(): CertificateSet {
    return this.#current;
  }

  /** When the certificate that this process shows stops being valid. */
  get endUnixMs(): number {
    return Date.parse(new X509Certificate(this.#current.cert).validTo);
  }

  onChange(listener: (certificates: CertificateSet) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Looks for renewed files now; a timer calls it too. */
  refresh(): void {
    try {
      const read = readSet(this.#paths);
      this.#refused = '';
      if (isSame(read, this.#current)) return;
      this.#current = read;
      for (const listener of this.#listeners) listener(read);
    } catch (error) {
      const failure = error as TercetError;
      if (failure.message !== this.#refused) this.#options.onBadChange?.(failure);
      this.#refused = failure.message;
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#listeners.clear();
  }
}

/** @throws config_invalid */
function readSet(paths: CertificatePaths): CertificateSet {
  try {
    const set = { ca: readFileSync(paths.ca), cert: readFileSync(paths.cert), key: readFileSync(paths.key) };
    if (!new X509Certificate(set.cert).checkPrivateKey(createPrivateKey(set.key))) {
      throw new Error('the key is not that of the certificate');
    }
    new X509Certificate(set.ca);
    createSecureContext(set);
    return set;
  } catch (cause) {
    throw new TercetError('config_invalid', { ...paths, reason: (cause as Error).message }, { cause });
  }
}

function isSame(a: CertificateSet, b: CertificateSet): boolean {
  return (['ca', 'cert', 'key'] as const).every((part) => Buffer.compare(a[part], b[part]) === 0);
}

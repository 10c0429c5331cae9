import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CertificateSet, Certificates } from '@tercet/base';

export interface IssuedFiles {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/** A certificate authority for tests, made by openssl. Its files live in a folder of the caller. */
export class CertificateAuthority {
  readonly #openssl: string;
  readonly #folder: string;

  constructor(openssl: string, folder: string) {
    this.#openssl = openssl;
    this.#folder = folder;
    mkdirSync(folder, { recursive: true });
    const more = ['-keyout', this.#path('ca.key'), '-out', this.#path('ca.pem')];
    this.#run('req', '-x509', ...newKey, '-days', '2', '-subj', '/CN=test authority', ...more);
  }

  /** A certificate with these names, for both ends of a connection; a second one of the same `file` renews it. */
  issue(file: string, names: readonly string[]): IssuedFiles {
    const [key, request, cert] = ['key', 'csr', 'pem'].map((kind) => this.#path(`${file}.${kind}`));
    const extensions = this.#path(`${file}.ext`);
    const entries = names.map((name) => (/^\d+\.\d+\.\d+\.\d+$/.test(name) ? `IP:${name}` : `DNS:${name}`));
    writeFileSync(extensions, `subjectAltName=${entries.join(',')}\nextendedKeyUsage=serverAuth,clientAuth\n`);
    this.#run('req', ...newKey, '-subj', `/CN=${file}`, '-keyout', `${key}`, '-out', `${request}`);
    const signer = ['-CA', this.#path('ca.pem'), '-CAkey', this.#path('ca.key'), '-CAcreateserial'];
    this.#run('x509', '-req', '-in', `${request}`, ...signer, '-days', '2', '-extfile', extensions, '-out', `${cert}`);
    return { ca: this.#path('ca.pem'), cert: `${cert}`, key: `${key}` };
  }

  #path(name: string): string {
    return join(this.#folder, name);
  }

  #run(...args: string[]): void {
    execFileSync(this.#openssl, args, { stdio: 'pipe' });
  }
}

const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

/** Certificates in memory that a test renews. */
export class RenewedCertificates implements Certificates {
  current: CertificateSet;
  readonly #listeners = new Set<(certificates: CertificateSet) => void>();

  constructor(files: IssuedFiles) {
    this.current = setOf(files);
  }

  onChange(listener: (certificates: CertificateSet) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  renew(files: IssuedFiles): void {
    this.current = setOf(files);
    for (const listener of this.#listeners) listener(this.current);
  }
}

function setOf({ ca, cert, key }: IssuedFiles): CertificateSet {
  return { ca: readFileSync(ca), cert: readFileSync(cert), key: readFileSync(key) };
}

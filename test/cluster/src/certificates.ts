import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Manifest } from './manifests.js';

/** Secrets as cert-manager writes them, of one authority: by their names, the DNS name in the certificate of each. */
export function certificateSecrets(dnsNames: Readonly<Record<string, string>>): Manifest[] {
  const folder = mkdtempSync(join(tmpdir(), 'tercet-certificates-'));
  const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: folder, stdio: 'ignore' });
  const read = (file: string) => readFileSync(join(folder, file), 'utf8');
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  try {
    openssl('req', '-x509', ...newKey, '-subj', '/CN=test authority', '-keyout', 'ca.key', '-out', 'ca.crt');
    return Object.entries(dnsNames).map(([name, dnsName]) => {
      writeFileSync(join(folder, 'extensions'), `subjectAltName=DNS:${dnsName}\n`);
      openssl('req', ...newKey.slice(0, 4), '-subj', '/', '-keyout', 'tls.key', '-out', 'tls.csr', '-nodes');
      const signer = ['-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2', '-extfile', 'extensions'];
      openssl('x509', '-req', '-in', 'tls.csr', ...signer, '-out', 'tls.crt');
      const stringData = { 'ca.crt': read('ca.crt'), 'tls.crt': read('tls.crt'), 'tls.key': read('tls.key') };
      return { apiVersion: 'v1', kind: 'Secret', metadata: { name }, type: 'kubernetes.io/tls', stringData };
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

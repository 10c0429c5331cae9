import type { TercetError } from '@tercet/contracts';
import { z } from 'zod';
import { CertificateFiles } from './certificate-files.js';

/** Mutual TLS of a service, as it is configured. */
export const CertificatesConfig = z.strictObject({
  /** PEM files: the authority of all peers, and this service's certificate and key. */
  ca: z.string().min(1),
  cert: z.string().min(1),
  key: z.string().min(1),
  /** Name that the certificates of those who are called must have, where it is not the host of their endpoint. */
  serverName: z.string().min(1).exactOptional(),
  /** How often the files are looked at. */
  refreshMs: z.int().min(100).default(10_000),
});

export type CertificatesConfig = z.infer<typeof CertificatesConfig>;

/** The certificates of a service, where it has any. @throws config_invalid */
export function openCertificates(
  config: CertificatesConfig | undefined,
  onBadChange: (error: TercetError) => void,
): CertificateFiles | undefined {
  return config && new CertificateFiles(config, { refreshMs: config.refreshMs, onBadChange });
}

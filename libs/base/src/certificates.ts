/** What one side of a connection shows, and whom it believes; PEM. */
export interface CertificateSet {
  readonly ca: Uint8Array;
  readonly cert: Uint8Array;
  readonly key: Uint8Array;
}

/** The certificate of this process and the authority of its peers, for code that may not read files. They change. */
export interface Certificates {
  readonly current: CertificateSet;
  /** Calls the listener after each change. @returns what ends that */
  onChange(listener: (certificates: CertificateSet) => void): () => void;
}

/**
 * Names of a peer, from the alternative names of its certificate as Node writes them: its DNS names and URIs. The
 * common name is not looked at: nobody checks it any more.
 */
export function peerNamesOf(subjectAltName: string | undefined): string[] {
  const entries = (subjectAltName ?? '').split(', ');
  // Node puts what could be taken for two entries in quotes; no name of ours needs them.
  return entries.flatMap((entry) => /^(?:DNS|URI):([^"\s]+)$/.exec(entry)?.[1] ?? []);
}

/** Is one of the names that of the pod? `prefill-0`, or `prefill-0.` with a domain behind it. */
export function namesPod(names: readonly string[], podId: string): boolean {
  return names.some((name) => name === podId || name.startsWith(`${podId}.`));
}

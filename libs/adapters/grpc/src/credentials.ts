import { ChannelCredentials, experimental, ServerCredentials } from '@grpc/grpc-js';
import type { Certificates } from '@tercet/base';

/** Mutual TLS: both sides show a certificate of one authority. Unix sockets need none: their files have owners. */
export interface GrpcTls {
  readonly certificates: Certificates;
  /** Name that the certificates of servers must have, where it is not the host of their endpoint. */
  readonly serverName?: string;
}

export function serverCredentials(endpoint: string, tls: GrpcTls | undefined): ServerCredentials {
  if (tls === undefined || endpoint.startsWith('unix:')) return ServerCredentials.createInsecure();
  const provider = providerOf(tls.certificates);
  return experimental.createCertificateProviderServerCredentials(provider, provider, true);
}

export function channelCredentials(endpoint: string, tls: GrpcTls | undefined): ChannelCredentials {
  if (tls === undefined || endpoint.startsWith('unix:')) return ChannelCredentials.createInsecure();
  const provider = providerOf(tls.certificates);
  return experimental.createCertificateProviderChannelCredentials(provider, provider);
}

/** Options that go with the credentials of a channel. */
export function channelName(tls: GrpcTls | undefined): Record<string, string> {
  const name = tls?.serverName;
  return name === undefined ? {} : { 'grpc.ssl_target_name_override': name, 'grpc.default_authority': name };
}

/** As grpc-js wants to hear of certificates: each listener at once, and after every change. */
function providerOf(certificates: Certificates): experimental.CertificateProvider {
  const ends = new Map<unknown, () => void>();
  const add = <Update>(listener: (update: Update) => void, update: () => Update) => {
    ends.set(
      listener,
      certificates.onChange(() => listener(update())),
    );
    process.nextTick(() => ends.has(listener) && listener(update()));
  };
  const remove = (listener: unknown) => {
    ends.get(listener)?.();
    ends.delete(listener);
  };
  const bytes = (part: 'ca' | 'cert' | 'key') => Buffer.from(certificates.current[part]);
  return {
    addCaCertificateListener: (listener) => add(listener, () => ({ caCertificate: bytes('ca') })),
    removeCaCertificateListener: remove,
    addIdentityCertificateListener: (listener) =>
      add(listener, () => ({ certificate: bytes('cert'), privateKey: bytes('key') })),
    removeIdentityCertificateListener: remove,
  };
}

import {
  connect as connectPlain,
  createServer as createPlain,
  type OnReadOpts,
  type Server,
  type Socket,
} from 'node:net';
import {
  type ConnectionOptions,
  checkServerIdentity,
  connect as connectTls,
  createServer as createTls,
  TLSSocket,
} from 'node:tls';
import { type Certificates, peerNamesOf } from '@tercet/base';

/** Mutual TLS between the tensor planes of processes on different machines. */
export interface TensorTls {
  readonly certificates: Certificates;
  /** Name that the certificates of owners must have, where it is not the host of their endpoint. */
  readonly serverName?: string | undefined;
  /** Each pod has a certificate with its own id as a DNS name: a lease is then read by the pod that it names alone. */
  readonly namesPods: boolean;
}

export type TensorAddress = { readonly path: string } | { readonly host: string; readonly port: number };

const handshakeTimeoutMs = 10_000;

/**
 * A server that does not listen yet, and the event that brings a reader. Renewed certificates are used from the next
 * connection on.
 */
export function createListener(tls: TensorTls | undefined): { server: Server; readerEvent: string } {
  if (tls === undefined) return { server: createPlain({ noDelay: true }), readerEvent: 'connection' };
  const { certificates } = tls;
  const options = { requestCert: true, noDelay: true, handshakeTimeout: handshakeTimeoutMs };
  const server = createTls({ ...secure(certificates), ...options });
  const end = certificates.onChange(() => server.setSecureContext(secure(certificates)));
  server.once('close', end);
  return { server, readerEvent: 'secureConnection' };
}

/** A connection to an owner; what is written before it stands waits. Errors come as its events. */
export function connectTo(
  address: TensorAddress,
  { tls, onread }: { tls: TensorTls | undefined; onread: OnReadOpts },
): Socket {
  if (tls === undefined || 'path' in address) return connectPlain({ ...address, noDelay: true, onread });
  const { certificates, serverName = address.host } = tls;
  // Node takes `onread` here as for a plain connection; its types do not know it yet.
  const options: ConnectionOptions & { onread: OnReadOpts } = {
    ...address,
    ...secure(certificates),
    checkServerIdentity: (_host, certificate) => checkServerIdentity(serverName, certificate),
    onread,
  };
  const socket = connectTls(options);
  return socket.setNoDelay(true);
}

/** Names that leases may be bound to; absent where the connection says nothing of which pod reads. */
export function readerNamesOf(socket: Socket, tls: TensorTls | undefined): readonly string[] | undefined {
  if (tls?.namesPods !== true || !(socket instanceof TLSSocket)) return undefined;
  return peerNamesOf(socket.getPeerCertificate().subjectaltname);
}

function secure(certificates: Certificates) {
  const { ca, cert, key } = certificates.current;
  return {
    ca: Buffer.from(ca),
    cert: Buffer.from(cert),
    key: Buffer.from(key),
    minVersion: 'TLSv1.3' as const,
    rejectUnauthorized: true,
  };
}

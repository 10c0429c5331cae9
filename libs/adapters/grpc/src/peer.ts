import { ServerInterceptingCall, type ServerInterceptor } from '@grpc/grpc-js';
import { peerNamesOf } from '@tercet/base';
import { TercetError } from '@tercet/contracts';
import type { Metadata, ServerMiddleware } from 'nice-grpc-common';

const peerKey = 'tercet-peer';

/** Names in the certificate of whoever calls; none where the connection has no certificates. */
export function peerNames(metadata: Metadata): string[] {
  return (metadata.get(peerKey) ?? '').split(' ').filter((name) => name !== '');
}

/** Writes the names of the peer into the metadata of its call, over whatever the peer wrote there itself. */
export const namePeer: ServerInterceptor = (_method, call) =>
  new ServerInterceptingCall(call, {
    start: (next) => {
      next({
        onReceiveMetadata: (metadata, pass) => {
          const { sslPeerCertificate } = call.getAuthContext();
          metadata.set(peerKey, peerNamesOf(sslPeerCertificate?.subjectaltname).join(' '));
          pass(metadata);
        },
      });
    },
  });

/** @throws peer_refused unless the caller has one of these names */
export function requirePeer(metadata: Metadata, allowed: readonly string[]): void {
  const names = peerNames(metadata);
  if (!names.some((name) => allowed.includes(name))) throw new TercetError('peer_refused', { names });
}

/** Lets calls through whose peer has one of these names. */
export function onlyPeers(allowed: readonly string[]): ServerMiddleware {
  return async function* admitted(call, context) {
    requirePeer(context.metadata, allowed);
    return (yield* call.next(call.request, context)) ?? undefined;
  } as ServerMiddleware;
}

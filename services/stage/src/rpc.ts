import { TercetError, wire } from '@tercet/contracts';
import { type Metadata, type MountedService, peerNames, requirePeer, service } from '@tercet/grpc';
import { DecodeStage, EncodeStage, PrefillStage, type RoleHost } from '@tercet/stage';
import type { Stage } from './stages.js';
import type { WorkerControl } from './worker-control.js';

/**
 * Every call that this process answers. A stage's calls pass role and epoch before they begin.
 * @param controllers names of the peers that may change the role; absent: all that may call
 */
export function servicesOf(
  host: RoleHost<Stage>,
  control: WorkerControl,
  controllers?: readonly string[],
): MountedService[] {
  const actorOf = (metadata: Metadata) => {
    if (controllers !== undefined) requirePeer(metadata, controllers);
    return peerNames(metadata).join(' ') || 'a peer without a certificate';
  };
  return [
    service(
      wire.EncodeDefinition,
      {
        encodeTiles: (request, { signal }) => mounted(host, EncodeStage).encodeTiles(request, signal),
        embedText: (request, { signal }) => mounted(host, EncodeStage).embedText(request, signal),
      },
      { gate: host, role: wire.Role.ROLE_ENCODE },
    ),
    service(
      wire.PrefillDefinition,
      { prefill: (request, { signal }) => mounted(host, PrefillStage).prefill(request, signal) },
      { gate: host, role: wire.Role.ROLE_PREFILL },
    ),
    service(
      wire.DecodeDefinition,
      { decode: (commands, { signal }) => mounted(host, DecodeStage).decode(commands, signal) },
      { gate: host, role: wire.Role.ROLE_DECODE },
    ),
    service(wire.WorkerDefinition, {
      getStatus: async () => control.status(),
      setRole: async (request, { metadata }) => control.setRole(request, actorOf(metadata)),
      drain: async (request, { metadata }) => control.drain(request, actorOf(metadata)),
      watchLoad: (request, { signal }) => control.watchLoad(request, signal),
    }),
  ];
}

/** The gate let the call in for this role, so the stage is there. */
function mounted<S extends Stage>(host: RoleHost<Stage>, kind: abstract new (...args: never[]) => S): S {
  const { stage } = host;
  if (stage instanceof kind) return stage;
  throw new TercetError('epoch_stale', { epoch: host.state.epoch });
}

import { TercetError, wire } from '@tercet/contracts';
import type { FactJournal } from '@tercet/facts';
import { type Metadata, type MountedService, peerNames, requirePeer, service } from '@tercet/grpc';
import { DecodeStage, EncodeStage, PrefillStage, type RoleHost } from '@tercet/stage';
import type { MeasuredCalls } from './measured-calls.js';
import type { Stage } from './stages.js';
import type { WorkerControl } from './worker-control.js';

export interface StageServices {
  readonly host: RoleHost<Stage>;
  readonly control: WorkerControl;
  readonly facts: FactJournal;
  readonly calls: MeasuredCalls;
  /** Names of the peers that may change the role; absent: all that may call. */
  readonly controllers?: readonly string[] | undefined;
}

/** Every call that this process answers. A stage's calls pass role and epoch before they begin. */
export function servicesOf({ host, control, facts, calls, controllers }: StageServices): MountedService[] {
  const actorOf = (metadata: Metadata) => {
    if (controllers !== undefined) requirePeer(metadata, controllers);
    return peerNames(metadata).join(' ') || 'a peer without a certificate';
  };
  return [
    service(
      wire.EncodeDefinition,
      {
        encodeTiles: (request, { signal }) =>
          calls.encodeTiles(request, mounted(host, EncodeStage).encodeTiles(request, signal)),
        embedText: (request, { signal }) =>
          calls.embedText(request, mounted(host, EncodeStage).embedText(request, signal)),
      },
      { gate: host, role: wire.Role.ROLE_ENCODE },
    ),
    service(
      wire.PrefillDefinition,
      {
        prefill: (request, { signal }) => calls.prefill(request, mounted(host, PrefillStage).prefill(request, signal)),
      },
      { gate: host, role: wire.Role.ROLE_PREFILL },
    ),
    service(
      wire.DecodeDefinition,
      {
        decode: (commands, { signal }) => {
          const stage = mounted(host, DecodeStage);
          return calls.decode(commands, (heard) => stage.decode(heard, signal));
        },
      },
      { gate: host, role: wire.Role.ROLE_DECODE },
    ),
    service(wire.WorkerDefinition, {
      getStatus: async () => control.status(),
      setRole: async (request, { metadata }) => control.setRole(request, actorOf(metadata)),
      drain: async (request, { metadata }) => control.drain(request, actorOf(metadata)),
      watchLoad: (request, { signal }) => control.watchLoad(request, signal),
    }),
    service(wire.FactsDefinition, { watchFacts: (request, { signal }) => facts.watch(request, signal) }),
  ];
}

/** The gate let the call in for this role, so the stage is there. */
function mounted<S extends Stage>(host: RoleHost<Stage>, kind: abstract new (...args: never[]) => S): S {
  const { stage } = host;
  if (stage instanceof kind) return stage;
  throw new TercetError('epoch_stale', { epoch: host.state.epoch });
}

import { TercetError, wire } from '@tercet/contracts';
import { type MountedService, service } from '@tercet/grpc';
import { DecodeStage, EncodeStage, PrefillStage, type RoleHost } from '@tercet/stage';
import type { MeasuredCalls } from './measured-calls.js';
import type { Stage } from './stages.js';
import type { WorkerControl } from './worker-control.js';

export interface StageServices {
  readonly host: RoleHost<Stage>;
  readonly control: WorkerControl;
  readonly calls: MeasuredCalls;
}

/** Every call that this process answers. A stage's calls pass role and epoch before they begin. */
export function servicesOf({ host, control, calls }: StageServices): MountedService[] {
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
      setRole: (request) => control.setRole(request),
      drain: (request) => control.drain(request),
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

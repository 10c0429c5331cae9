import { TercetError, wire } from '@tercet/contracts';
import type { Controller } from '@tercet/controller-core';
import { type MountedService, service } from '@tercet/grpc';
import { stageOf } from './stages.js';

export interface ControllerServiceOptions {
  readonly controller: Pick<Controller, 'setRole'>;
  /** Makes a pass out of turn. */
  readonly pass: () => Promise<void>;
  readonly status: () => wire.PoolStatus;
}

/** What others may ask of the controller: how the pool stands, and to move a pod as a person wants it. */
export function controllerService({ controller, pass, status }: ControllerServiceOptions): MountedService {
  return service(wire.ControllerDefinition, {
    getPool: async () => status(),
    movePod: async ({ podId, role, expectedEpoch }) => {
      const stage = stageOf(role);
      if (stage === undefined) throw new TercetError('invalid_request', { role: wire.Role[role] });
      const wish = { podId, role: stage, ...(expectedEpoch === undefined ? {} : { expectedEpoch }) };
      // A move that was begun is seen through, whether the caller waits or not.
      await controller.setRole(wish, new AbortController().signal);
      await pass();
      return status();
    },
  });
}

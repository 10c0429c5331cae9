import { TercetError, wire } from '@tercet/contracts';
import type { Wish } from '@tercet/controller-core';
import { type MountedService, service } from '@tercet/grpc';
import type { DemandBook } from './demand-book.js';
import { stageOf } from './stages.js';

export interface ControllerServiceOptions {
  /** The pools that this controller runs: one on a machine, all or none in a cluster. */
  readonly pools: () => readonly wire.PoolStatus[];
  /** Moves a pod of one of them, and tells how that pool stands then. */
  readonly move: (wish: Wish) => Promise<wire.PoolStatus>;
  readonly demand: DemandBook;
}

/** What others may ask of the controller, and tell it: how the pools stand, to move a pod, and what there is to do. */
export function controllerService({ pools, move, demand }: ControllerServiceOptions): MountedService {
  return service(wire.ControllerDefinition, {
    getPool: async () => {
      const [pool, ...others] = pools();
      if (pool === undefined) throw new TercetError('leadership_lost');
      if (others.length > 0) throw new TercetError('invalid_request', { pools: 1 + others.length });
      return pool;
    },
    movePod: async ({ podId, role, expectedEpoch }) => {
      const stage = stageOf(role);
      if (stage === undefined) throw new TercetError('invalid_request', { role: wire.Role[role] });
      return move({ podId, role: stage, ...(expectedEpoch === undefined ? {} : { expectedEpoch }) });
    },
    reportDemand: async (request) => {
      demand.report(request);
      return { pools: [...pools()] };
    },
  });
}

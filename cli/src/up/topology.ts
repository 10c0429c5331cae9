import { availableParallelism } from 'node:os';
import { join } from 'node:path';

export interface UpOptions {
  readonly encode: number;
  readonly prefill: number;
  readonly decode: number;
  readonly port: number;
  readonly grpcPort: number;
  readonly host: string;
  readonly contextTokensMax: number;
  readonly slots: number;
  /** Cores that all stages share. */
  readonly cores: number;
  readonly allowPrivateAddresses: boolean;
}

export interface ModelPaths {
  readonly name: string;
  readonly path: string;
  readonly mmprojPath?: string;
}

export type StageRole = 'encode' | 'prefill' | 'decode';

/** One process to start: what it is called and the environment that configures it. */
export interface ProcessPlan {
  readonly name: string;
  readonly entry: 'stage' | 'gateway';
  readonly environment: Readonly<Record<string, string>>;
}

export interface SystemPlan {
  readonly arbiterSocket: string;
  readonly stages: readonly (ProcessPlan & { readonly role: StageRole; readonly endpoint: string })[];
  readonly gateway: ProcessPlan;
}

/** Cores that one machine gives to the stages: all that this process may use. */
export function usableCores(): number {
  return Math.max(1, availableParallelism());
}

/** Every process of a system on one machine, with its sockets in `folder`. */
export function planSystem(options: UpOptions, models: readonly ModelPaths[], folder: string): SystemPlan {
  const arbiterSocket = join(folder, 'cores.sock');
  const roles: StageRole[] = ['encode', 'prefill', 'decode'];
  const stages = models.flatMap((model, modelIndex) =>
    roles
      .filter((role) => role !== 'encode' || model.mmprojPath !== undefined)
      .flatMap((role) =>
        Array.from({ length: options[role] }, (_, index) => {
          const suffix = models.length > 1 ? `-m${modelIndex}` : '';
          return stagePlan(options, { model, role, folder, arbiterSocket, name: `${role}-${index}${suffix}` });
        }),
      ),
  );
  const gateway = {
    name: 'gateway',
    entry: 'gateway' as const,
    environment: section('GATEWAY', {
      HTTP: { host: options.host, port: options.port },
      GRPC_ENDPOINT: `127.0.0.1:${options.grpcPort}`,
      WORKERS: stages.map(({ endpoint }) => endpoint),
      MODELS: models.map((model) => ({ ...model, contextTokensMax: options.contextTokensMax })),
      MEDIA: { allowPrivateAddresses: options.allowPrivateAddresses },
    }),
  };
  return { arbiterSocket, stages, gateway };
}

function stagePlan(
  options: UpOptions,
  from: { model: ModelPaths; role: StageRole; folder: string; arbiterSocket: string; name: string },
): SystemPlan['stages'][number] {
  const { model, role, folder, arbiterSocket, name } = from;
  const endpoint = `unix:${join(folder, `${name}.sock`)}`;
  const { contextTokensMax, slots } = options;
  return {
    name,
    entry: 'stage',
    role,
    endpoint,
    environment: section('STAGE', {
      POD_ID: name,
      GRPC_ENDPOINT: endpoint,
      TENSORS: { kind: 'unix', path: join(folder, `${name}.tensors.sock`) },
      ARBITER_SOCKET: arbiterSocket,
      ROLE: role,
      THREADS: options.cores,
      MODEL: model,
      ENGINE: { contextTokensMax, slotCount: slots, kvBlocksMax: Math.ceil((slots * contextTokensMax) / 16) },
    }),
  };
}

function section(name: string, values: Readonly<Record<string, unknown>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(values).map(([key, value]) => [
      `TERCET__${name}__${key}`,
      typeof value === 'string' ? value : JSON.stringify(value),
    ]),
  );
}

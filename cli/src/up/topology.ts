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
  /** Requests that run at a time. */
  readonly requests: number;
  readonly allowPrivateAddresses: boolean;
  /** Whether stages map each other's tensors; without it they read them through sockets. */
  readonly sharedMemory: boolean;
}

export interface ModelPaths {
  readonly name: string;
  readonly path: string;
  readonly mmprojPath?: string;
  /** Turns texts into vectors, which encode processes do. */
  readonly isEmbedder?: boolean;
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
  const stages = models.flatMap((model, modelIndex) =>
    rolesFor(model).flatMap((role) =>
      Array.from({ length: processesOf(role, model, options) }, (_, index) => {
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
      MODELS: models.map(({ isEmbedder: _, ...model }) => ({ ...model, contextTokensMax: options.contextTokensMax })),
      REQUESTS: { runningMax: options.requests },
      MEDIA: { allowPrivateAddresses: options.allowPrivateAddresses },
    }),
  };
  return { arbiterSocket, stages, gateway };
}

/** An embedder needs nothing but encode, and text without images no encode. */
function rolesFor({ isEmbedder, mmprojPath }: ModelPaths): StageRole[] {
  if (isEmbedder === true) return ['encode'];
  return mmprojPath === undefined ? ['prefill', 'decode'] : ['encode', 'prefill', 'decode'];
}

/** `--encode 0` is for those who want no images; an embedder without a process would serve nothing. */
function processesOf(role: StageRole, { isEmbedder }: ModelPaths, options: UpOptions): number {
  return isEmbedder === true ? Math.max(1, options[role]) : options[role];
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
      SHARED_MEMORY: options.sharedMemory,
      ARBITER_SOCKET: arbiterSocket,
      ROLE: role,
      THREADS: options.cores,
      MODEL: { name: model.name, path: model.path, ...(model.mmprojPath && { mmprojPath: model.mmprojPath }) },
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

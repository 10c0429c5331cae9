import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { Slo } from '@tercet/allocation';
import type { EventsConfig } from '@tercet/event-logs';

export type ControllerPolicy = 'auto' | 'recommend' | 'manual';

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
  /** Requests need an API key. */
  readonly requireKeys: boolean;
  /** Where the spans of traces go, OTLP over HTTP; without it none are recorded. */
  readonly traceEndpoint?: string;
  /** Share of the requests that are traced. */
  readonly traceRatio: number;
  readonly controller: ControllerPolicy;
  /** What the controller aims for. */
  readonly slo: Pick<Slo, 'ttftMs' | 'tpotMs'>;
  /** Whether stages map each other's tensors; without it they read them through sockets. */
  readonly sharedMemory: boolean;
  /** The event log, where it is not the file of this system. */
  readonly events?: EventsConfig;
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
  readonly entry: 'stage' | 'gateway' | 'controller' | 'vectorIndex';
  readonly environment: Readonly<Record<string, string>>;
}

export interface StagePlan extends ProcessPlan {
  readonly model: string;
  readonly role: StageRole;
  readonly endpoint: string;
}

export interface ControllerPlan extends ProcessPlan {
  readonly endpoint: string;
  /** Names of the stages that it moves. */
  readonly pool: readonly string[];
}

export interface SystemPlan {
  readonly arbiterSocket: string;
  readonly stages: readonly StagePlan[];
  readonly controllers: readonly ControllerPlan[];
  readonly vectorIndex: ProcessPlan;
  readonly gateway: ProcessPlan;
}

/** Where a system on one machine keeps what is more than a process. */
export interface SystemFiles {
  /** Folder of the sockets, made anew with every start. */
  readonly sockets: string;
  /** The event log of all its processes. */
  readonly eventLog: string;
  /** Database of keys, files and batches, which outlives every start. */
  readonly controlStore: string;
  /** Collections of vectors and their backups, which outlive every start. */
  readonly collections: string;
  readonly backups: string;
}

/** Cores that one machine gives to the stages: all that this process may use. */
export function usableCores(): number {
  return Math.max(1, availableParallelism());
}

/** Every process of a system on one machine, and how it is configured. */
export function planSystem(options: UpOptions, models: readonly ModelPaths[], files: SystemFiles): SystemPlan {
  const { sockets: folder, controlStore, eventLog } = files;
  const events = options.events ?? { kind: 'file', path: eventLog };
  const arbiterSocket = join(folder, 'cores.sock');
  const stages = models.flatMap((model, modelIndex) =>
    rolesFor(model).flatMap((role) =>
      Array.from({ length: processesOf(role, model, options) }, (_, index) => {
        const suffix = models.length > 1 ? `-m${modelIndex}` : '';
        return stagePlan(options, { model, role, folder, arbiterSocket, events, name: `${role}-${index}${suffix}` });
      }),
    ),
  );
  const controllers = models.flatMap(({ name: model }, modelIndex) => {
    const name = models.length > 1 ? `controller-m${modelIndex}` : 'controller';
    const pool = stages.filter((stage) => stage.model === model);
    return isControlled(pool) ? [controllerPlan(options, { model, pool, folder, events, name })] : [];
  });
  const indexEndpoint = `unix:${join(folder, 'vector-index.sock')}`;
  const vectorIndex = {
    name: 'vector-index',
    entry: 'vectorIndex' as const,
    environment: section('VECTOR_INDEX', {
      GRPC_ENDPOINT: indexEndpoint,
      METRICS: { port: 0 },
      FOLDER: files.collections,
      BACKUP_FOLDER: files.backups,
    }),
  };
  const gateway = {
    name: 'gateway',
    entry: 'gateway' as const,
    environment: section('GATEWAY', {
      EVENTS: events,
      HTTP: { host: options.host, port: options.port },
      GRPC_ENDPOINT: `127.0.0.1:${options.grpcPort}`,
      WORKERS: stages.map(({ endpoint }) => endpoint),
      CONTROLLERS: controllers.map(({ endpoint }) => endpoint),
      VECTOR_INDEX: { endpoint: indexEndpoint },
      MODELS: models.map(({ isEmbedder: _, ...model }) => ({ ...model, contextTokensMax: options.contextTokensMax })),
      STORE: { kind: 'sqlite', path: controlStore },
      REQUESTS: { runningMax: options.requests },
      KEYS: { required: options.requireKeys },
      MEDIA: { allowPrivateAddresses: options.allowPrivateAddresses },
      TRACING: tracingOf(options),
    }),
  };
  return { arbiterSocket, stages, controllers, vectorIndex, gateway };
}

/** Pods can only be moved where each of the three stages has one. */
function isControlled(pool: readonly StagePlan[]): boolean {
  return new Set(pool.map(({ role }) => role)).size === 3;
}

/** A stage process begins in the role that the options say. Later it waits for the one that a controller recorded. */
export const withoutRole = section('STAGE', { ROLE: 'none' });

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
  from: { model: ModelPaths; role: StageRole; folder: string; arbiterSocket: string; events: object; name: string },
): StagePlan {
  const { model, role, folder, arbiterSocket, events, name } = from;
  const endpoint = `unix:${join(folder, `${name}.sock`)}`;
  const { contextTokensMax, slots } = options;
  return {
    name,
    entry: 'stage',
    model: model.name,
    role,
    endpoint,
    environment: section('STAGE', {
      POD_ID: name,
      GRPC_ENDPOINT: endpoint,
      TENSORS: { kind: 'unix', path: join(folder, `${name}.tensors.sock`) },
      SHARED_MEMORY: options.sharedMemory,
      ARBITER_SOCKET: arbiterSocket,
      EVENTS: events,
      ROLE: role,
      THREADS: options.cores,
      MODEL: { name: model.name, path: model.path, ...(model.mmprojPath && { mmprojPath: model.mmprojPath }) },
      ENGINE: { contextTokensMax, slotCount: slots, kvBlocksMax: Math.ceil((slots * contextTokensMax) / 16) },
      METRICS: { port: 0 },
      TRACING: tracingOf(options),
    }),
  };
}

function tracingOf({ traceEndpoint, traceRatio }: UpOptions): object {
  return traceEndpoint === undefined ? {} : { endpoint: traceEndpoint, sampleRatio: traceRatio };
}

function controllerPlan(
  options: UpOptions,
  from: { model: string; pool: readonly StagePlan[]; folder: string; events: object; name: string },
): ControllerPlan {
  const { model, pool, folder, events, name } = from;
  const { contextTokensMax, slots } = options;
  const endpoint = `unix:${join(folder, `${name}.sock`)}`;
  return {
    name,
    entry: 'controller',
    endpoint,
    pool: pool.map((stage) => stage.name),
    environment: section('CONTROLLER', {
      MODEL: model,
      WORKERS: pool.map((stage) => stage.endpoint),
      GRPC_ENDPOINT: endpoint,
      EVENTS: events,
      METRICS: { port: 0 },
      LEDGER_PATH: join(folder, `${name}.ledger.json`),
      POLICY: options.controller,
      // One by one, so that the others can still be set from outside.
      SLO__TTFT_MS: options.slo.ttftMs,
      SLO__TPOT_MS: options.slo.tpotMs,
      GROUP__KV_TOKENS_MAX: slots * contextTokensMax,
      GROUP__SEQUENCES_MAX: slots,
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

import { loadConfig } from '@tercet/config';
import { EventsConfig } from '@tercet/event-logs';
import { MetricsConfig } from '@tercet/telemetry';
import { z } from 'zod';
import { ClusterConfig } from './cluster/config.js';
import { groupLimits, ms, perStageMs } from './limits.js';

const perStage = (each: z.ZodDefault<z.ZodNumber>) =>
  z.strictObject({ encode: each, prefill: each, decode: each }).prefault({});

/** The controller of one pool: pods with the same model, which it moves between the stages. */
export const ControllerConfig = z
  .strictObject({
    cluster: z.literal('local').default('local'),
    model: z.string().min(1),
    /** gRPC endpoints of the pods. */
    workers: z.array(z.string().min(1)).min(1),
    /** Where it answers: `unix:/path` or `host:port`. */
    grpcEndpoint: z.string().min(1),
    /** Where `GET /metrics` is answered; absent, nobody is. */
    metrics: MetricsConfig.exactOptional(),
    /** Where it hears of the load, and tells of roles. */
    events: EventsConfig,
    /** What it remembers over a crash. */
    ledgerPath: z.string().min(1),
    /** `auto` moves pods, `recommend` only says what it would move, `manual` only keeps the recorded roles. */
    policy: z.enum(['auto', 'recommend', 'manual']).default('recommend'),
    slo: z
      .strictObject({ ttftMs: ms(1000, 1), tpotMs: ms(100, 1), attainment: z.number().gt(0).max(1).default(0.9) })
      .prefault({}),
    /** Pods that each stage must and may have. */
    least: perStage(z.int().min(1).default(1)),
    most: perStage(z.int().min(1).default(10_000)),
    passMs: ms(5000, 100),
    unavailableMax: z.int().min(1).default(1),
    dwellMs: ms(20_000),
    gainMin: z.number().min(0).max(1).default(0.02),
    urgentGain: z.number().min(0).max(1).default(0.1),
    drainTimeoutMs: ms(10_000),
    verifyMs: ms(30_000, 1000),
    lossMax: z.number().min(0).max(1).default(0.05),
    /** From the end of a drain until the pod serves its new stage, and what its lost caches cost. */
    switchMs: perStageMs(1000),
    group: groupLimits,
  })
  .refine(
    ({ least, most }) => (['encode', 'prefill', 'decode'] as const).every((stage) => least[stage] <= most[stage]),
    'least must not be above most',
  )
  .readonly();

export type ControllerConfig = z.infer<typeof ControllerConfig>;

/** On one machine, or in a cluster; which one says `cluster`. */
export const AnyConfig = z.discriminatedUnion('cluster', [ControllerConfig, ClusterConfig]);

/** @throws config_invalid */
export function readConfig(file?: string): ControllerConfig | ClusterConfig {
  const sources = { environment: process.env, section: 'CONTROLLER', ...(file === undefined ? {} : { file }) };
  return loadConfig(AnyConfig, sources);
}

import { z } from 'zod';

export const poolGroup = 'tercet.dev';
export const poolVersion = 'v1alpha1';
export const poolPlural = 'servingpools';

/** Labels of the pods: which pool they are of, and which stage they serve now. */
export const poolLabel = `${poolGroup}/pool`;
export const roleLabel = `${poolGroup}/role`;

const stages = ['encode', 'prefill', 'decode'] as const;
export type Stage = (typeof stages)[number];

/** Moves between two stages. */
export const directions = stages.flatMap((from) =>
  stages.filter((to) => to !== from).map((to) => `${from}-${to}` as const),
);

const podsMax = 10_000;
const perStage = (fallback: number) => {
  const count = z.int().min(1).max(podsMax).default(fallback);
  return z.strictObject({ encode: count, prefill: count, decode: count }).prefault({});
};
const ms = (fallback: number, min = 0) => z.int().min(min).max(86_400_000).default(fallback);
const share = (fallback: number) => z.number().min(0).max(1).default(fallback);

/** What a pool shall be; what the resource's `spec` may hold. Defaults stand here and are written into the schema. */
export const PoolSpecSchema = z.strictObject({
  model: z.string().min(1).max(253).describe('Name of the model that every pod of the pool serves.'),
  engine: z
    .enum(['embedded'])
    .default('embedded')
    .describe('What computes; decides which moves a pod can make in place.'),
  selector: z
    .record(z.string(), z.string())
    .optional()
    .describe('Labels of the pods of this pool; without it, tercet.dev/pool with the name of the resource.'),
  inPlace: z
    .array(z.enum(directions))
    .max(directions.length)
    .default(directions)
    .describe('Moves that a pod makes with its weights loaded. For every other one it is replaced.'),
  pods: z.int().min(0).max(podsMax).default(3).describe('Pods that the pool shall have; 0 is off.'),
  sleep: z
    .strictObject({
      afterMs: ms(600_000, 1000).describe('Time without a request after which the pool has no pods.'),
      payback: z
        .number()
        .min(0)
        .max(1000)
        .default(10)
        .describe('It keeps them while requests are expected sooner than so many times what a wake takes.'),
    })
    .optional()
    .describe('The pool may have no pods; a request wakes it. Absent: it always has them.'),
  policy: z
    .enum(['auto', 'recommend', 'manual'])
    .default('recommend')
    .describe('auto moves pods, recommend says what it would move, manual keeps the recorded roles.'),
  slo: z
    .strictObject({
      ttftMs: ms(1000, 1).describe('Longest time to the first token.'),
      tpotMs: ms(100, 1).describe('Longest time per further token.'),
      attainment: z.number().min(0.01).max(1).default(0.9).describe('Share of the requests that shall meet both.'),
    })
    .prefault({}),
  least: perStage(1).describe('Pods that each stage must have.'),
  most: perStage(podsMax).describe('Pods that each stage may have.'),
  unavailableMax: z.int().min(1).max(podsMax).default(1).describe('Pods that may move at a time.'),
  dwellMs: ms(20_000).describe('Shortest time between a move and the one back.'),
  gainMin: share(0.02).describe('Gain in attainment below which nothing moves.'),
  urgentGain: share(0.1).describe('Gain in attainment that does not wait for the dwell.'),
  drainTimeoutMs: ms(10_000).describe('How long a pod that moves may finish what it runs.'),
  verifyMs: ms(30_000, 1000).describe('How long what was moved is watched before it is judged.'),
  lossMax: share(0.05).describe('Loss of attainment against the counterfactual that takes a move back.'),
});

export type ServingPoolSpec = z.infer<typeof PoolSpecSchema>;

/** Rules that hold between fields, as CEL; the reader of the resource applies the same ones. */
export const poolRules = [
  ...stages.map((stage) => ({
    rule: `self.least.${stage} <= self.most.${stage}`,
    message: `least.${stage} must not be above most.${stage}`,
    isMet: ({ least, most }: ServingPoolSpec) => least[stage] <= most[stage],
  })),
  {
    rule: 'self.pods == 0 || self.least.encode + self.least.prefill + self.least.decode <= self.pods',
    message: 'pods must not be fewer than the least of the stages together, or 0',
    isMet: ({ least, pods }: ServingPoolSpec) => pods === 0 || least.encode + least.prefill + least.decode <= pods,
  },
  {
    rule: 'self.gainMin <= self.urgentGain',
    message: 'gainMin must not be above urgentGain',
    isMet: ({ gainMin, urgentGain }: ServingPoolSpec) => gainMin <= urgentGain,
  },
];

const Counts = z.strictObject({ encode: z.int(), prefill: z.int(), decode: z.int() });
const Time = z.string().meta({ format: 'date-time' });

const Condition = z.strictObject({
  type: z.enum(['Ready', 'SloMet', 'Progressing', 'Degraded', 'OwnsSize']),
  status: z.enum(['True', 'False', 'Unknown']),
  reason: z.string().min(1).max(1024),
  message: z.string().max(32_768),
  lastTransitionTime: Time,
  observedGeneration: z.int().optional(),
});

export type PoolCondition = z.infer<typeof Condition>;

/** What the controller says of a pool, and what it has to remember. */
export const PoolStatusSchema = z.strictObject({
  observedGeneration: z.int().optional(),
  /** Pods that answer; with `selector`, what the scale subresource tells. */
  pods: z.int().optional(),
  selector: z.string().optional(),
  sleep: z.enum(['awake', 'asleep', 'waking']).optional(),
  givenPods: z
    .array(z.int())
    .max(2)
    .optional()
    .describe('Pods that the controller last gave to the workload, and that it gives now.'),
  split: z.string().optional().describe('Pods by stage, as encode/prefill/decode.'),
  roles: Counts.optional(),
  assignments: z
    .array(z.strictObject({ podId: z.string(), role: z.enum(stages), epoch: z.string() }))
    .max(podsMax)
    .optional(),
  attainment: z.number().optional().describe('Share of the recent requests that met the objectives.'),
  goodputRps: z.number().optional(),
  decisions: z
    .array(
      z.strictObject({
        id: z.int(),
        time: Time,
        before: z.string(),
        target: z.string(),
        state: z.string(),
        reason: z.string(),
      }),
    )
    .max(20)
    .optional(),
  conditions: z.array(Condition).max(8).optional(),
  /** Term of the leader that wrote last: one of an earlier term writes no more. */
  term: z.int().optional(),
  /** What the controller remembers over a crash, with a version of its own. */
  ledger: z.record(z.string(), z.unknown()).optional(),
});

export type ServingPoolStatus = z.infer<typeof PoolStatusSchema>;

/** The resource as it is stored; its spec is checked when it is read. */
export interface ServingPool {
  readonly name: string;
  readonly uid: string;
  readonly generation: number;
  readonly createdMs: number;
  readonly spec: ServingPoolSpec;
  readonly status: ServingPoolStatus;
}

/** The labels that a pod of the pool has. */
export function selectorOf({ name, spec }: Pick<ServingPool, 'name' | 'spec'>): Readonly<Record<string, string>> {
  return spec.selector ?? { [poolLabel]: name };
}

/** As the API takes it. */
export function selectorText(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}=${value}`)
    .join(',');
}

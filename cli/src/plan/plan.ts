import { writeFile } from 'node:fs/promises';
import {
  type BestSplit,
  bestSplit,
  grown,
  nameOf,
  percentileOf,
  type RatedSplit,
  rateOf,
  type Slo,
  simulate,
  type Workload,
} from '@tercet/allocation';
import { Command } from 'commander';
import { numberFrom, objectivesFrom, wholeFrom } from '../commands/options.js';
import { CommandFailure, exitCodes, runCommand } from '../terminal/failure.js';
import { tableLines } from '../terminal/table.js';
import type { Terminal } from '../terminal/terminal.js';
import { curveSvg } from './curve-svg.js';
import { curveLines } from './curve-text.js';
import { goodputCurves } from './goodput-curve.js';
import { readShape, readTrace } from './plan-files.js';

const examples = `
Examples:
  tercet plan --trace trace.jsonl --costs costs.json --pods 8 --slo ttft=400,tpot=40
  tercet plan --trace - --costs costs.json --pods 8 --slo ttft=400,tpot=40 --json < trace.jsonl
  tercet plan --trace trace.jsonl --costs costs.json --pods 64 --slo ttft=400,tpot=40 --svg curve.svg

A line of the trace: {"arrivalMs":12.5,"images":1,"patches":576,"promptTokens":310,"outputTokens":90}
The costs say what one pod takes for each stage; docs/planning.md describes both files.
`;

interface PlanOptions {
  readonly trace: string;
  readonly costs: string;
  readonly pods: number;
  readonly slo: Pick<Slo, 'ttftMs' | 'tpotMs'>;
  readonly attainment: number;
  readonly rate?: number;
  readonly threeWay?: true;
  readonly rows: number;
  readonly svg?: string;
  readonly json?: true;
}

/** `tercet plan`: what if? The best split of so many pods for a trace, and what it would serve. */
export function planCommand(terminal: Terminal): Command {
  return new Command('plan')
    .description('Find the best split of pods between encode, prefill and decode for a trace of requests.')
    .requiredOption('--trace <file>', 'requests, one JSON object a line; `-` is standard input')
    .requiredOption('--costs <file>', 'what the stages take on one pod, JSON')
    .requiredOption('--pods <n>', 'pods to divide', wholeFrom(2, 10_000))
    .requiredOption('--slo <objectives>', 'latency that requests should meet: ttft=MS,tpot=MS', objectivesFrom)
    .option('--attainment <share>', 'share of the requests that must meet them', numberFrom(0.01, 1), 0.9)
    .option('--rate <n>', 'requests a second to plan for (default: those of the trace)', numberFrom(0.001))
    .option('--three-way', 'no co-located and local-encode variants')
    .option('--rows <n>', 'splits to show', wholeFrom(1), 10)
    .option('--svg <file>', 'draw the curve into a file')
    .option('--json', 'print JSON')
    .addHelpText('after', examples)
    .action((options: PlanOptions) => runCommand(terminal, () => plan(terminal, options)));
}

async function plan(terminal: Terminal, options: PlanOptions): Promise<0 | 1> {
  const { out, note } = terminal;
  const [trace, shape] = await Promise.all([readTrace(options.trace), readShape(options.costs)]);
  if (!Number.isFinite(rateOf(trace))) throw new CommandFailure('the requests of the trace all arrive at once', {});
  const slo: Slo = { ...options.slo, attainment: options.attainment };
  const work: Workload = { trace: trace.length < 100 * options.pods ? longer(trace, options.pods) : trace, shape, slo };
  if (note.isTty) note.write(note.colours.dim(`${work.trace.length} requests, ${options.pods} pods …\n`));
  const found = bestSplit(work, options.pods, { variants: options.threeWay !== true });
  const shown = found.rated.slice(0, options.rows).map((rated) => describe(work, rated, options.rate ?? rateOf(trace)));
  const curves = goodputCurves(work, found.rated.slice(0, 3));
  if (options.svg !== undefined) await writeFile(options.svg, curveSvg(curves, slo.attainment));
  if (options.json === true) {
    const { gap, evaluations } = found;
    out.write(`${JSON.stringify({ best: shown[0], splits: shown, gap, evaluations, slo, curves }, null, 2)}\n`);
  } else {
    out.write(`${[...table(shown, terminal), '', ...curveLines(curves, slo.attainment, out.colours)].join('\n')}\n`);
    out.write(`\n${summary(found, options.rate ?? rateOf(trace))}\n`);
  }
  return found.best.rps > 0 ? exitCodes.done : exitCodes.failed;
}

/** A short trace is repeated, so that a queue that grows has the time to show. */
function longer(trace: Workload['trace'], pods: number): Workload['trace'] {
  return grown(trace, Math.ceil((100 * pods) / trace.length));
}

interface PlannedSplit {
  readonly split: string;
  readonly goodputRps: number;
  /** At the rate that is planned for. */
  readonly attainment: number;
  readonly ttftMsP90: number;
  readonly tpotMsP90: number;
}

function describe({ trace, shape, slo }: Workload, { split, rps }: RatedSplit, rate: number): PlannedSplit {
  const factor = rate / rateOf(trace);
  const arrivalMs = trace.arrivalMs.map((ms) => ms / factor);
  const { ttftMs, tpotMs } = simulate({ ...trace, arrivalMs }, split, shape);
  const met = ttftMs.filter((ttft, i) => ttft <= slo.ttftMs && !((tpotMs[i] as number) > slo.tpotMs)).length;
  return {
    split: nameOf(split),
    goodputRps: rps,
    attainment: met / trace.length,
    ttftMsP90: percentileOf(ttftMs, 0.9),
    tpotMsP90: percentileOf(tpotMs, 0.9),
  };
}

function table(splits: readonly PlannedSplit[], { out }: Terminal): string[] {
  const right = (title: string) => ({ title, align: 'right' as const });
  const columns = [{ title: 'SPLIT' }, right('GOODPUT/S'), right('MET'), right('TTFT P90'), right('TPOT P90')];
  const rows = splits.map(({ split, goodputRps, attainment, ttftMsP90, tpotMsP90 }) => [
    split,
    goodputRps.toFixed(2),
    `${(100 * attainment).toFixed(1)} %`,
    `${ttftMsP90.toFixed(0)} ms`,
    `${tpotMsP90.toFixed(1)} ms`,
  ]);
  const [head = '', first = '', ...rest] = tableLines(columns, rows);
  return [out.colours.bold(head), out.colours.green(first), ...rest];
}

function summary({ best, gap, rated }: BestSplit, rate: number): string {
  const name = nameOf(best.split);
  if (best.rps === 0) {
    const most = Math.max(...rated.map(({ attainment }) => attainment));
    return `No split meets the objectives at any rate; at best ${(100 * most).toFixed(1)} % of the requests do.`;
  }
  const times = (best.rps / rate).toFixed(2);
  const serves = `${name} serves ${best.rps.toFixed(2)} requests/s, ${times} times what is asked.`;
  return gap === 0 ? serves : `${serves} No split can serve more than ${(100 * gap).toFixed(1)} % above that.`;
}

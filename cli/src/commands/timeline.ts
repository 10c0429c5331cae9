import type { Colours } from '../terminal/terminal.js';
import { formatMs } from '../terminal/units.js';
import type { Timeline } from './gateway-api.js';

const columns = 32;
/** Parts that took less are left out, unless a pod worked in them: a request without media has no media fetch. */
const shownFromMs = 0.05;

/** The stage timeline of one answer: each part from where the one before it ended, and the pods that served it. */
export function timelineLines({ parts, pods, ...whole }: Timeline, colours: Colours): string[] {
  const steps: Step[] = [
    { name: 'queue', ms: parts.queueMs, pods: [], paint: colours.gray },
    { name: 'media fetch', ms: parts.mediaFetchMs, pods: [], paint: colours.blue },
    { name: 'encode', ms: parts.encodeMs, pods: pods.encode, paint: colours.magenta },
    { name: 'media transfer', ms: parts.mediaTransferMs, pods: [], paint: colours.blue },
    { name: 'prefill queue', ms: parts.prefillQueueMs, pods: [], paint: colours.gray },
    { name: 'prefill', ms: parts.prefillMs, pods: [pods.prefill], paint: colours.cyan },
  ];
  const total = Math.max(
    whole.ttftMs,
    steps.reduce((sum, { ms }) => sum + ms, 0),
  );
  let start = 0;
  const lines = steps
    .map((step) => {
      const line = stepLine(step, start / total, step.ms / total, colours);
      start += step.ms;
      return { line, shown: step.ms >= shownFromMs || step.pods.length > 0 };
    })
    .filter(({ shown }) => shown)
    .map(({ line }) => line);
  return [colours.bold(`first token after ${formatMs(whole.ttftMs)}`), ...lines, ...after(whole, pods, colours)];
}

interface Step {
  readonly name: string;
  readonly ms: number;
  readonly pods: readonly string[];
  readonly paint: (text: string) => string;
}

function stepLine({ name, ms, pods, paint }: Step, from: number, share: number, colours: Colours): string {
  const left = Math.min(columns - 1, Math.round(from * columns));
  const width = Math.max(ms > 0 ? 1 : 0, Math.min(columns - left, Math.round(share * columns)));
  const bar = ' '.repeat(left) + paint('━'.repeat(width)) + ' '.repeat(columns - left - width);
  return `${head(name, ms)}  ${bar}  ${colours.dim(pods.join(', '))}`.trimEnd();
}

function after(whole: Omit<Timeline, 'parts' | 'pods'>, pods: Timeline['pods'], colours: Colours): string[] {
  const { handoverMs, decodeMs, tokensPerSecond, cachedTokens, mediaTokens } = whole;
  const lines: string[] = [];
  if (typeof handoverMs === 'number') lines.push(head('hand-over', handoverMs));
  if (typeof decodeMs === 'number') {
    const rate = typeof tokensPerSecond === 'number' ? `${tokensPerSecond.toFixed(1)} tokens/s` : '';
    const pod = typeof pods.decode === 'string' ? colours.dim(pods.decode) : '';
    lines.push(`${head('decode', decodeMs)}  ${rate.padEnd(columns)}  ${pod}`.trimEnd());
  }
  const counts = [count(mediaTokens, 'media tokens'), count(cachedTokens, 'cached tokens')].filter(
    (text) => text !== '',
  );
  if (counts.length > 0) lines.push(colours.dim(`  ${counts.join(', ')}`));
  return lines;
}

function head(name: string, ms: number): string {
  return `  ${name.padEnd(14)}  ${formatMs(ms).padStart(8)}`;
}

function count(value: number | undefined, what: string): string {
  return value === undefined || value === 0 ? '' : `${value} ${what}`;
}

import { performance } from 'node:perf_hooks';

/** What came of questions that were asked all the time. */
export interface Asked {
  readonly answers: readonly string[];
  /** What was said or thrown instead of an answer. */
  readonly failures: readonly string[];
  readonly longestMs: number;
}

/** Asks with some clients, each one question after the other, until the work is done. */
export async function askDuring(
  work: () => Promise<unknown>,
  ask: () => Promise<Response>,
  clients: number,
): Promise<Asked> {
  const [answers, failures]: [string[], string[]] = [[], []];
  let longestMs = 0;
  let isOver = false;
  const client = async () => {
    while (!isOver) {
      const beganMs = performance.now();
      try {
        const response = await ask();
        const text = await response.text();
        (response.ok ? answers : failures).push(text);
      } catch (error) {
        failures.push(`${error} ${(error as Error).cause ?? ''}`);
      }
      longestMs = Math.max(longestMs, performance.now() - beganMs);
    }
  };
  const asking = Array.from({ length: clients }, client);
  try {
    await work();
  } finally {
    isOver = true;
    await Promise.all(asking);
  }
  return { answers, failures, longestMs };
}

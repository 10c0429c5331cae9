import { blockDigestsOf, reusedTokens } from '@tercet/kv';
import { type ReuseGrid, reuseOf, type StoredPrompt } from '@tercet/scheduler';
import type { PromptPrefix } from './plan.js';

/**
 * The blocks of a prompt as engines name them, worked out once for each grid; pods of one model have the same, as a
 * rule. Cost: some hundred nanoseconds a block.
 */
export function prefixesOf(prompt: StoredPrompt): (reuse: ReuseGrid) => PromptPrefix {
  const known = new Map<string, PromptPrefix>();
  return (reuse) => {
    const grid = JSON.stringify(reuse);
    const found = known.get(grid) ?? prefixOf(prompt, reuse);
    known.set(grid, found);
    return found;
  };
}

function prefixOf(prompt: StoredPrompt, reuse: ReuseGrid): PromptPrefix {
  const demand = reuseOf(prompt, reuse);
  return {
    blocks: blockDigestsOf(demand.key),
    reused: (storedTokens) => reusedTokens(storedTokens, demand, reuse.grainTokens),
  };
}

import type { GenerationRequest, PromptSource } from '../pipeline/request.js';

/** One request for each prompt: the same but for its id and its seed, so that equal prompts have different answers. */
export function choicesOf(
  first: Omit<GenerationRequest, 'prompt'>,
  prompts: readonly PromptSource[],
): GenerationRequest[] {
  const { requestId, sampling } = first;
  return prompts.map((prompt, index) => ({
    ...first,
    prompt,
    requestId: index === 0 ? requestId : `${requestId}-${index}`,
    sampling: { ...sampling, seed: BigInt.asUintN(64, sampling.seed + BigInt(index)) },
  }));
}

/** @param n how many choices a request wants of a prompt; one when it does not say */
export function repeated(prompt: PromptSource, n: number | null | undefined): PromptSource[] {
  return Array<PromptSource>(n ?? 1).fill(prompt);
}

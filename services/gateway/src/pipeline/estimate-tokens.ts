import type { GenerationRequest } from './request.js';

/** English text has about four characters to a token; others have fewer, which is settled at the end. */
const charactersPerToken = 4;

/**
 * Tokens that a request may take at most, as far as can be told before its media are fetched and its prompt is
 * tokenised: what it is charged ahead. No request takes more than the context.
 */
export function estimateTokens({ prompt, media, model, tokensMax }: GenerationRequest): number {
  const { contextTokensMax, vision } = model;
  const mediaTokens = media.length * (vision?.shape.tokensPerTile ?? 0);
  const promptTokens = promptTokensOf(prompt) + mediaTokens;
  return Math.min(contextTokensMax, promptTokens + (tokensMax ?? contextTokensMax));
}

function promptTokensOf(prompt: GenerationRequest['prompt']): number {
  switch (prompt.kind) {
    case 'tokens':
      return prompt.tokenIds.length;
    case 'text':
      return Math.ceil(prompt.text.length / charactersPerToken);
    case 'chat': {
      const parts = prompt.messages.flatMap((message) => message.parts);
      const characters = parts.reduce((sum, part) => sum + (part.kind === 'text' ? part.text.length : 0), 0);
      return Math.ceil(characters / charactersPerToken);
    }
    default:
      return prompt satisfies never;
  }
}

import type { Ask } from './items.js';

/** Asks a running gateway over the chat API. */
export function httpAsker({ url, model }: { readonly url: string; readonly model: string }): Ask {
  const endpoint = new URL('/v1/chat/completions', url);
  return async ({ question, images }) => {
    const pictures = images.map(({ bytes }) => {
      const data = Buffer.from(bytes).toString('base64');
      return { type: 'image_url', image_url: { url: `data:image/png;base64,${data}` } };
    });
    const content = [...pictures, { type: 'text', text: question }];
    const body = { model, temperature: 0, max_tokens: answerTokensMax, messages: [{ role: 'user', content }] };
    const response = await fetch(endpoint, { method: 'POST', body: JSON.stringify(body) });
    const answer = (await response.json()) as ChatAnswer;
    const text = answer.choices?.[0]?.message?.content;
    if (!response.ok || typeof text !== 'string') {
      throw new Error(`HTTP ${response.status}: ${answer.error?.message ?? 'no answer'}`);
    }
    return text;
  };
}

/** Longer than any right answer. */
export const answerTokensMax = 64;

interface ChatAnswer {
  readonly choices?: readonly { readonly message?: { readonly content?: unknown } }[];
  readonly error?: { readonly message?: string };
}

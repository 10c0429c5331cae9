import type { EvalItem } from '../eval/items.js';

/** A request whose answer is the same every time. */
export interface Question {
  readonly body: string;
}

export interface Answer {
  readonly text: string;
  /** What the client got instead of an answer. */
  readonly error?: string;
}

const outputTokens = 48;

/** Half of them greedy, half drawn with a seed; every answer runs to its length, so that switches meet it half-way. */
export function questionsOf(items: readonly EvalItem[]): Question[] {
  return items.map(({ question, images }, index) => {
    const pictures = images.map(({ bytes }) => {
      const url = `data:image/png;base64,${Buffer.from(bytes).toString('base64')}`;
      return { type: 'image_url', image_url: { url } };
    });
    return {
      body: JSON.stringify({
        model: 'tercet-tiny',
        messages: [{ role: 'user', content: [...pictures, { type: 'text', text: question }] }],
        temperature: index % 2 === 0 ? 0 : 1,
        seed: index,
        max_tokens: outputTokens,
        ignore_eos: true,
      }),
    };
  });
}

export async function answerOf({ url }: { readonly url: string }, { body }: Question): Promise<Answer> {
  try {
    const response = await fetch(`${url}/v1/chat/completions`, { method: 'POST', body });
    const said = (await response.json()) as {
      choices?: { message: { content: string } }[];
      error?: { code: string; message: string };
    };
    const text = said.choices?.[0]?.message.content;
    return text === undefined ? { text: '', error: `${said.error?.code}: ${said.error?.message}` } : { text };
  } catch (error) {
    return { text: '', error: String(error) };
  }
}

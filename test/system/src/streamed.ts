// biome-ignore lint/suspicious/noExplicitAny: a document is what the test says it is
type Document = any;

/** Everything that a stream of server-sent events carries, once it ended; `[DONE]` is left out. */
export async function eventsOf(response: Response): Promise<Document[]> {
  const text = await response.text();
  const data = [...text.matchAll(/^data: (.*)$/gm)].map(([, json = '']) => json);
  return data.filter((json) => json !== '[DONE]').map((json) => JSON.parse(json));
}

/** The choices of all chunks, joined by their index. */
export function choicesOf(chunks: readonly Document[], textOf: (choice: Document) => string): Document[] {
  const joined: Document[] = [];
  for (const choice of chunks.flatMap(({ choices }) => choices)) {
    joined[choice.index] ??= { text: '', logprobs: [], finish_reason: null };
    const whole = joined[choice.index];
    whole.text += textOf(choice);
    if (choice.logprobs !== null) whole.logprobs.push(choice.logprobs);
    whole.finish_reason ??= choice.finish_reason;
  }
  return joined;
}

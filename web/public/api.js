// The gateway's HTTP API, as the page uses it.

/** An error with the code that the gateway gave it. */
export class ApiError extends Error {
  constructor(message, code) {
    super(message);
    this.code = code;
  }
}

/** The models that one can talk to. */
export async function listModels() {
  const response = await fetch('/v1/models');
  if (!response.ok) throw await errorOf(response);
  return (await response.json()).data.filter(({ tercet }) => tercet?.kind !== 'embedding');
}

export async function listPods() {
  const response = await fetch('/tercet/pods');
  if (!response.ok) throw await errorOf(response);
  return (await response.json()).pods;
}

/** How the pools stand, as their controllers say; none where nobody moves pods. */
export async function listPools() {
  const response = await fetch('/tercet/cluster');
  if (!response.ok) throw await errorOf(response);
  return (await response.json()).pools;
}

/** Chunks of a streamed answer, parsed; ends when the server says so, throws ApiError for an error event. */
export async function* streamChat(body, signal) {
  const response = await fetch('/v1/chat/completions', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ ...body, stream: true, stream_options: { include_usage: true } }),
    signal,
  });
  if (!response.ok) throw await errorOf(response);
  for await (const data of eventsOf(response.body)) {
    if (data === '[DONE]') return;
    const chunk = JSON.parse(data);
    if (chunk.error) throw new ApiError(chunk.error.message, chunk.error.code);
    yield chunk;
  }
}

/** Data of server-sent events. https://html.spec.whatwg.org/#event-stream-interpretation */
async function* eventsOf(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const events = (rest + value).split('\n\n');
    rest = events.pop();
    for (const event of events) {
      const lines = event.split('\n').filter((line) => line.startsWith('data:'));
      if (lines.length > 0) yield lines.map((line) => line.slice(5).trimStart()).join('\n');
    }
  }
}

async function errorOf(response) {
  const body = await response.json().catch(() => undefined);
  const { message = `the server answered ${response.status}`, code = String(response.status) } = body?.error ?? {};
  return new ApiError(message, code);
}

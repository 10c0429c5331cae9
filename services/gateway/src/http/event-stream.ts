import { once } from 'node:events';
import type { Response } from 'express';

/**
 * Server-sent events to one client; writing waits for a slow reader. https://html.spec.whatwg.org/#server-sent-events
 */
export class EventStream {
  readonly #response: Response;

  /** Sends the headers: call it when the first event is there, so that headers can say how long it took. */
  constructor(response: Response, headers: Readonly<Record<string, string>>) {
    this.#response = response;
    response.writeHead(200, {
      'Content-Type': 'text/event-stream; charset=utf-8',
      'Cache-Control': 'no-cache, no-transform',
      'X-Accel-Buffering': 'no',
      ...headers,
    });
  }

  /** Nothing is sent for `undefined`. */
  async send(data: object | '[DONE]' | undefined, event?: string): Promise<void> {
    if (data === undefined) return;
    const name = event === undefined ? '' : `event: ${event}\n`;
    await this.#write(`${name}data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`);
  }

  end(): void {
    this.#response.end();
  }

  async #write(text: string): Promise<void> {
    const response = this.#response;
    if (response.destroyed || response.write(text)) return;
    const gone = new AbortController();
    const onClose = () => gone.abort();
    response.once('close', onClose);
    await once(response, 'drain', { signal: gone.signal }).catch(() => undefined);
    response.off('close', onClose);
  }
}

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json, text } from 'node:stream/consumers';

export interface SeenRequest {
  readonly path: string;
  readonly body: unknown;
  readonly headers: IncomingMessage['headers'];
}

export type Answer = (response: ServerResponse, request: SeenRequest) => void | Promise<void>;

/** Speaks the gateway's wire format and nothing else: what it answers is written by the test. */
export class ScriptedGateway implements AsyncDisposable {
  readonly seen: SeenRequest[] = [];
  readonly answers: Record<string, Answer>;
  /** Resolves when a client went away before its answer was whole. */
  readonly clientGone: Promise<void>;
  readonly #server: Server;

  private constructor(answers: Record<string, Answer>) {
    this.answers = answers;
    const gone = Promise.withResolvers<void>();
    this.clientGone = gone.promise;
    this.#server = createServer(async (request, response) => {
      response.on('close', () => response.writableEnded || gone.resolve());
      const isJson = request.headers['content-type'] === 'application/json';
      const body = request.method === 'POST' ? await (isJson ? json(request) : text(request)) : undefined;
      const seen = { path: request.url ?? '', body, headers: request.headers };
      this.seen.push(seen);
      const answer = this.answers[seen.path];
      if (answer === undefined) response.writeHead(404).end('nothing here');
      else await answer(response, seen);
    });
  }

  static async open(answers: Record<string, Answer>): Promise<ScriptedGateway> {
    const gateway = new ScriptedGateway(answers);
    await new Promise<void>((done) => gateway.#server.listen(0, '127.0.0.1', done));
    return gateway;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((done) => this.#server.close(done));
  }
}

/** Server-sent events of these documents, then the end mark. */
export function events(...documents: readonly object[]): Answer {
  return (response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    for (const document of documents) response.write(`data: ${JSON.stringify(document)}\n\n`);
    response.end('data: [DONE]\n\n');
  };
}

/** A chunk of an answer as OpenAI's streams have them. */
export function chunk(content: string, more: object = {}, finishReason: string | null = null): object {
  const choices = [{ index: 0, delta: { content }, finish_reason: finishReason }];
  return { id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1, model: 'tiny', choices, ...more };
}

export function document(body: object, status = 200): Answer {
  return (response) => {
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  };
}

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What the server does with a request, beside serving the file. */
export type Behaviour = (request: IncomingMessage, response: ServerResponse) => 'handled' | 'serve';

/** A real HTTP server of one file, with ranges, ETag and whatever a test wants to go wrong. */
export class FileServer implements AsyncDisposable {
  readonly ranges: (string | undefined)[] = [];
  behaviour: Behaviour = () => 'serve';
  hasRanges = true;
  etag = '"one"';
  body: Uint8Array;
  readonly #server: Server;

  private constructor(body: Uint8Array) {
    this.body = body;
    this.#server = createServer((request, response) => this.#answer(request, response));
  }

  static async open(body: Uint8Array): Promise<FileServer> {
    const server = new FileServer(body);
    await new Promise<void>((done) => server.#server.listen(0, '127.0.0.1', done));
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/file.gguf`;
  }

  /** Sends the head of the whole file, then this many bytes, then hangs up. */
  cutAfter(bytes: number, response: ServerResponse, start = 0): 'handled' {
    const head = start === 0 ? {} : { 'content-range': `bytes ${start}-${this.body.length - 1}/${this.body.length}` };
    const length = String(this.body.length - start);
    response.writeHead(start === 0 ? 200 : 206, { 'content-length': length, etag: this.etag, ...head });
    response.write(this.body.subarray(start, start + bytes), () => setTimeout(() => response.destroy(), 20));
    return 'handled';
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    this.ranges.push(request.headers.range);
    if (this.behaviour(request, response) === 'handled') return;
    const from = /^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1];
    const same = request.headers['if-range'] === undefined || request.headers['if-range'] === this.etag;
    response.setHeader('etag', this.etag);
    if (from === undefined || !this.hasRanges || !same) {
      response.setHeader('content-length', String(this.body.length));
      response.end(this.body);
    } else if (Number(from) >= this.body.length) {
      response.writeHead(416, { 'content-range': `bytes */${this.body.length}` }).end();
    } else {
      const range = `bytes ${from}-${this.body.length - 1}/${this.body.length}`;
      const length = String(this.body.length - Number(from));
      response.writeHead(206, { 'content-range': range, 'content-length': length });
      response.end(this.body.subarray(Number(from)));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((done) => this.#server.close(done));
  }
}

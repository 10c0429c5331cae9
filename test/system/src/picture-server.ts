import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { png } from './pictures.js';

const picture = png(64, (x) => [x, 30, 30]);

/** A server of this machine that answers by path: one picture, and much that is none. */
export class PictureServer implements AsyncDisposable {
  readonly url: string;
  requests = 0;
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.on('request', () => {
      this.requests++;
    });
  }

  static async open(): Promise<PictureServer> {
    const server = createServer(({ url = '' }, response) => {
      const answer = answers[url.split('?')[0] ?? ''];
      if (answer === undefined) response.writeHead(404).end();
      else answer(response);
    });
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
    return new PictureServer(server);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

type Answer = (response: ServerResponse) => void;

const pngType = { 'Content-Type': 'image/png' };
const redirect = (to: string): Answer => {
  return (response) => void response.writeHead(302, { Location: to }).end();
};
const send = (type: string, body: string | Buffer): Answer => {
  return (response) => void response.writeHead(200, { 'Content-Type': type }).end(body);
};

const answers: Readonly<Record<string, Answer>> = {
  '/picture': send('image/png', picture),
  '/redirects-to-picture': redirect('/picture'),
  '/redirects-for-ever': redirect('/redirects-for-ever'),
  '/redirects-to-link-local': redirect('http://169.254.169.254/latest'),
  '/redirects-to-file': redirect('file:///etc/hostname'),
  '/html': send('text/html', '<html></html>'),
  '/html-as-png': send('image/png', '<html></html>'),
  '/endless': (response) => pour(response.writeHead(200, pngType)),
  '/claims-much': (response) => void response.writeHead(200, { ...pngType, 'Content-Length': 10 ** 12 }).write(picture),
  '/cut': (response) => {
    response.writeHead(200, { ...pngType, 'Content-Length': picture.length });
    response.write(picture.subarray(0, 40), () => response.destroy());
  },
  '/hangs': () => undefined,
};

/** Bytes until the other side hangs up. */
function pour(response: ServerResponse): void {
  const more = () => {
    if (response.destroyed) return;
    while (response.write(Buffer.alloc(65_536))) {
      // The buffer has room.
    }
  };
  response.on('drain', more).on('error', () => response.destroy());
  more();
}

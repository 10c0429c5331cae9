import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { TercetError } from '@tercet/contracts';
import { errorBody } from './error-body.js';

/** How long a client that is refused may go on sending. Cut at once, it would see a reset in place of the answer. */
const lingerMs = 1000;

/**
 * Answers what never became a request: headers over the limit, a request that does not arrive, and what is not HTTP.
 * For `clientError` of a server, which may come several times for one connection.
 */
export function refuseConnection(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    if (!socket.writableEnded) socket.destroy();
    return;
  }
  const { status, body } = errorBody(failureOf(error));
  const json = JSON.stringify(body);
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    'Content-Type: application/json; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(json)}`,
    'Connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${json}`);
  setTimeout(() => socket.destroy(), lingerMs).unref();
}

function failureOf({ code = '' }: NodeJS.ErrnoException): TercetError {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return new TercetError('headers_too_large');
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new TercetError('request_timeout');
    default:
      return new TercetError('invalid_request', { reason: 'not HTTP', parser: code });
  }
}

import { type ClientRequest, type IncomingMessage, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import type { LookupFunction } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { TercetError } from '@tercet/contracts';

export interface Address {
  readonly address: string;
  readonly family: 4 | 6;
}

export interface GetOptions {
  /** Where the connection goes; the name is not looked up again, so what was checked is what is connected to. */
  readonly addresses: readonly Address[];
  readonly connectMs: number;
  /** From the connection to the head of the answer. */
  readonly answerMs: number;
}

/**
 * Sends one GET and waits for the head of the answer.
 * @throws media_fetch_failed
 */
export function httpGet(url: URL, options: GetOptions, signal: AbortSignal): Promise<IncomingMessage> {
  const { addresses, connectMs, answerMs } = options;
  const isSecure = url.protocol === 'https:';
  return new Promise((resolve, reject) => {
    const request = (isSecure ? requestHttps : requestHttp)(url, {
      agent: false,
      signal,
      lookup: pinnedLookup(addresses),
      headers: { accept: 'image/*, */*;q=0.1', 'accept-encoding': 'identity', 'user-agent': 'tercet' },
    });
    let timer = giveUp(request, connectMs, 'no connection');
    request.on('socket', (socket) => {
      socket.once(isSecure ? 'secureConnect' : 'connect', () => {
        clearTimeout(timer);
        timer = giveUp(request, answerMs, 'no answer');
      });
      // A handshake that failed is reported by the request as well; without a listener it would end the process.
      (socket as TLSSocket).on('error', () => {});
    });
    request.on('response', (response) => {
      clearTimeout(timer);
      resolve(response);
    });
    request.on('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    request.end();
  });
}

function giveUp(request: ClientRequest, ms: number, reason: string): NodeJS.Timeout {
  return setTimeout(() => {
    request.destroy(new TercetError('media_fetch_failed', { reason: `${reason} within ${ms} ms` }));
  }, ms);
}

function pinnedLookup(addresses: readonly Address[]): LookupFunction {
  return (_host, options, callback) => {
    if (options.all === true) callback(null, [...addresses]);
    else callback(null, addresses[0]?.address ?? '', addresses[0]?.family);
  };
}

// The thread that has the file: SQLite waits for the disk and for other processes here, and for nobody's requests.
import { parentPort, workerData } from 'node:worker_threads';
import { assert } from '@tercet/base';
import { toTercetError } from '@tercet/contracts';
import { LogFile } from './log-file.js';
import type { Failure, FromThread, Request, ThreadData, ToThread } from './protocol.js';
import { Reader } from './reader.js';

/** A record is seen by its readers this long after it was written, at most. */
const pollMs = 20;
const beatMs = 1000;
const trimMs = 30_000;

const port = parentPort;
assert(port !== null, 'runs as a thread');
const { path, bytesMax } = workerData as ThreadData;
const readers = new Map<string, Reader>();
let file: LogFile | undefined;

port.on('message', (message: ToThread) => {
  if (message.kind === 'handled') readers.get(message.memberId)?.handled(message);
  else answer(message.id, message.request);
});
setInterval(() => withReaders(deliver), pollMs);
setInterval(() => withReaders(beat), beatMs);
setInterval(() => withReaders(() => file?.trim(Date.now())), trimMs);

function tell(message: FromThread): void {
  port?.postMessage(message);
}

function answer(id: number, request: Request): void {
  try {
    perform(request);
    tell({ kind: 'reply', id });
  } catch (error) {
    tell({ kind: 'reply', id, failure: failed(error) });
  }
}

function perform(request: Request): void {
  if (request.kind === 'close') {
    close();
    return;
  }
  file ??= LogFile.open(path, bytesMax);
  switch (request.kind) {
    case 'append':
      file.append(request.records, Date.now());
      return;
    case 'join': {
      const reader = new Reader(request.member, tell);
      reader.join(file, Date.now());
      readers.set(request.member.id, reader);
      return;
    }
    case 'leave':
      readers.get(request.memberId)?.leave(file);
      readers.delete(request.memberId);
      return;
    case 'park':
      file.park(request.parked, Date.now());
      return;
    default:
      request satisfies never;
  }
}

function deliver(): void {
  if (file === undefined || readers.size === 0) return;
  const changed = file.hasChanged();
  for (const reader of readers.values()) reader.deliver(file, changed);
}

function beat(): void {
  if (file === undefined) return;
  for (const reader of readers.values()) reader.beat(file, Date.now());
}

/** What fails without a caller is counted; a file that is damaged ends its readers. */
function withReaders(work: () => void): void {
  try {
    work();
  } catch (error) {
    const failure = failed(error);
    tell({ kind: 'occurrence', occurrence: { kind: 'failed', code: failure.code } });
    if (failure.code === 'event_log_unavailable') return;
    for (const memberId of readers.keys()) tell({ kind: 'member failed', memberId, failure });
    readers.clear();
  }
}

/** A damaged file is opened anew the next time: it may have been replaced. */
function failed(error: unknown): Failure {
  const { code, details } = toTercetError(error);
  if (code === 'event_log_corrupt') close();
  return { code, details: { path, ...details } };
}

function close(): void {
  file?.[Symbol.dispose]();
  file = undefined;
}

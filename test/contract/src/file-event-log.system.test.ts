import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { Clock } from '@tercet/base';
import { partitionOf, topics } from '@tercet/event-log';
import { FileEventLog } from '@tercet/event-logs';
import { describeEventLog, type LogUnderTest } from './event-log-contract.js';

const clock: Clock = { nowMs: () => performance.now(), unixMs: () => Date.now() };

describeEventLog('a file', async () => fileUnderTest(), 30_000);

function fileUnderTest(): LogUnderTest {
  const folder = mkdtempSync(join(tmpdir(), 'tercet-events-'));
  const path = join(folder, 'events.db');
  return {
    open: (observe) =>
      new FileEventLog({ path, producer: 'test', clock, ...(observe === undefined ? {} : { observe }) }),
    putBytes: async (topic, key, bytes) => {
      await using log = new FileEventLog({ path, producer: 'test', clock });
      const nobody = { topics: [], group: 'nobody', from: 'latest', onEvent: async () => undefined } as const;
      await log.subscribe(nobody, AbortSignal.timeout(10));
      using database = new DatabaseSync(path);
      database
        .prepare('INSERT INTO records (topic, partition, key, unix_ms, bytes) VALUES (?, ?, ?, ?, ?)')
        .run(topic, partitionOf(key, topics[topic].partitions), key, Date.now(), bytes);
    },
    parkedReasons: async () => {
      using database = new DatabaseSync(path);
      return database
        .prepare('SELECT reason FROM parked ORDER BY id')
        .all()
        .map(({ reason }) => String(reason));
    },
    [Symbol.asyncDispose]: async () => rmSync(folder, { recursive: true }),
  };
}

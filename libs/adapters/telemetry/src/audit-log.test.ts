import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { AuditLog } from './audit-log.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tercet-audit-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('lines of all who write stand in the file, which only its user may read', () => {
  const path = join(folder, 'state', 'audit.log');
  for (const actor of ['user ann', 'key abc']) {
    using log = AuditLog.open(path, () => 0);
    log.write({ event: 'audit.key_revoked', actor, fields: { keyId: 'k', tenant: 'a\nb' } });
  }
  const lines = readFileSync(path, 'utf8').trimEnd().split('\n');
  expect(lines.map((line) => JSON.parse(line))).toEqual(
    ['user ann', 'key abc'].map((actor) => ({
      time: '1970-01-01T00:00:00.000Z',
      event: 'audit.key_revoked',
      actor,
      keyId: 'k',
      tenant: 'a\nb',
    })),
  );
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

test('a file that cannot be opened is an error before anything is done', () => {
  expect(() => AuditLog.open(folder, () => 0)).toThrow(expect.objectContaining({ code: 'store_unavailable' }));
});

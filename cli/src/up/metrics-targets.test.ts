import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { MetricsTargets } from './metrics-targets.js';

test('Prometheus finds each process under its name, at its latest port, and no longer when it is gone', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tercet-targets-'));
  try {
    const targets = new MetricsTargets(join(folder, 'targets.json'));
    const read = () => JSON.parse(readFileSync(targets.path, 'utf8'));
    expect(read()).toEqual([]);
    targets.add('gateway', '127.0.0.1:1');
    targets.add('decode-0', '127.0.0.1:2');
    targets.add('decode-0', '127.0.0.1:3');
    targets.remove('gateway');
    targets.remove('prefill-0');
    const labels = { job: 'tercet', namespace: 'local', pod: 'decode-0' };
    expect(read()).toEqual([{ targets: ['127.0.0.1:3'], labels }]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

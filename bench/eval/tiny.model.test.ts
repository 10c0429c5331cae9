import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { readItems } from './items.js';
import { sharesOf } from './score.js';
import { askEngine } from './tiny.js';

const home = fileURLToPath(new URL('../../models/tiny/', import.meta.url));
/** Only each so manieth held-out question: enough to see that answers are right, and quick. */
const every = 20;

describe('the tiny model answers held-out questions', () => {
  let shares: Record<string, number>;
  beforeAll(async () => {
    const items = readItems(join(home, 'eval')).filter(({ id }) => id % every === 0);
    shares = sharesOf(await askEngine(items, home, 2));
  }, 120_000);

  // One wrong answer of the few of a kind may pass, two may not.
  test.each([
    ['color', 0.9],
    ['shape', 0.9],
    ['count', 0.9],
    ['relation', 0.85],
    ['where', 0.8],
    ['bigger', 0.6],
    ['digits', 0.9],
    ['digitEach', 0.95],
    ['word', 0.7],
    ['exists', 0.5],
    ['images', 0.5],
    ['textOnly', 1],
  ])('about %s: at least %d of them rightly', (kind, floor) => {
    expect(shares[kind]).toBeGreaterThanOrEqual(floor);
  });
});

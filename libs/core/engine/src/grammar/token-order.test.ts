import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { packTokens, sortTokens } from './token-order.js';

test('tokens are sorted by bytes, then by id', () => {
  const anyToken = fc.oneof(
    fc.uint8Array({ maxLength: 5, max: 3 }),
    fc.uint8Array({ maxLength: 3 }),
    fc.constantFrom(Uint8Array.of(255), Uint8Array.of(255, 255), Uint8Array.of(0), Uint8Array.of(0, 0)),
  );
  fc.assert(
    fc.property(fc.array(anyToken, { maxLength: 400, size: 'max' }), (tokens) => {
      const ids = Int32Array.from(tokens.keys());
      sortTokens(
        packTokens(tokens.length, (tokenId) => tokens[tokenId] as Uint8Array),
        ids,
      );
      const slow = [...tokens.keys()].sort((a, b) => Buffer.compare(tokens[a]!, tokens[b]!) || a - b);
      expect([...ids]).toEqual(slow);
    }),
  );
});

import { describe, expect, test } from '@jest/globals';
import { ApiException } from '@kubernetes/client-node';
import { TercetError } from '@tercet/contracts';
import { isPassing, toClusterError } from './errors.js';

const refused = (status: number, message = 'no') => new ApiException(status, 'x', JSON.stringify({ message }), {});

describe('what the API server answers', () => {
  test.each([
    { error: new TypeError('fetch failed'), passing: true, code: 'cluster_unavailable' },
    { error: refused(429), passing: true, code: 'cluster_unavailable' },
    { error: refused(503), passing: true, code: 'cluster_unavailable' },
    { error: refused(409), passing: false, code: 'cluster_conflict' },
    { error: refused(403, 'exceeded quota'), passing: false, code: 'cluster_refused' },
    { error: refused(422), passing: false, code: 'cluster_refused' },
  ])('$error becomes $code', ({ error, passing, code }) => {
    expect(isPassing(error)).toBe(passing);
    expect(toClusterError(error, { pod: 'p' })).toMatchObject({ code, details: { pod: 'p' } });
  });

  test('its words are kept, and an error of ours stays itself', () => {
    expect(toClusterError(refused(403, 'exceeded quota'), {}).details).toMatchObject({ says: 'exceeded quota' });
    const ours = new TercetError('leadership_lost');
    expect(toClusterError(ours, {})).toBe(ours);
  });
});

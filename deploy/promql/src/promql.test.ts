import { describe, expect, test } from '@jest/globals';
import { is, metricNamesIn, oneOf, PromQl } from './promql.js';

const promql = new PromQl({ window: '5m', labels: { namespace: is('a'), model: is('m') } });

describe('a query', () => {
  test('has the conditions of its scope where the metric has the label', () => {
    expect(promql.series('tercet_replans_total')).toBe('tercet_replans_total{namespace="a", model="m"}');
    expect(promql.series('tercet_requests_running')).toBe('tercet_requests_running{namespace="a"}');
  });

  test.each([
    {
      what: 'rate',
      query: promql.rate('tercet_stage_requests_total', ['role'], { outcome: oneOf(['kv_full', 'draining']) }),
      text: 'sum by (role) (rate(tercet_stage_requests_total{namespace="a", outcome=~"kv_full|draining"}[5m]))',
    },
    {
      what: 'quantile',
      query: promql.over('1h').quantile(0.9, 'tercet_ttft_seconds'),
      text: 'histogram_quantile(0.9, sum by (le) (rate(tercet_ttft_seconds_bucket{namespace="a", model="m"}[1h])))',
    },
    {
      what: 'mean',
      query: promql.mean('tercet_step_seconds', ['role'], { role: is('decode') }),
      text:
        'sum by (role) (rate(tercet_step_seconds_sum{namespace="a", role="decode"}[5m])) / ' +
        'sum by (role) (rate(tercet_step_seconds_count{namespace="a", role="decode"}[5m]))',
    },
  ])('of a $what', ({ query, text }) => expect(query).toBe(text));

  test('a name or a label that is not in the list does not compile', () => {
    // @ts-expect-error no such metric
    expect(() => promql.series('tercet_nothing_total')).toThrow();
    // @ts-expect-error the metric has no such label
    promql.series('tercet_pods', { outcome: is('ok') });
    // @ts-expect-error a gauge has no rate
    promql.rate('tercet_pods', []);
  });

  test('tells which metrics it asks for', () => {
    const query = 'rate(tercet_ttft_seconds_bucket[5m]) / tercet_requests_total > tercet_nothing_count';
    expect(metricNamesIn(query)).toEqual(['tercet_ttft_seconds', 'tercet_requests_total', 'tercet_nothing_count']);
  });
});

import { describe, expect, test } from '@jest/globals';
import { metricList } from '@tercet/contracts';
import { ServiceMetrics } from './service-metrics.js';

describe('metrics of a service', () => {
  test('are all that the list says it exports, and no others', async () => {
    const text = await new ServiceMetrics('stage').text();
    const exported = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => [name, type]);
    const listed = Object.entries(metricList).filter(([, { exportedBy }]) =>
      (exportedBy as readonly string[]).includes('stage'),
    );
    expect(exported).toEqual(listed.map(([name, { type }]) => [name, type]));
  });

  test('a counter whose series are known begins at 0, so that its first step shows as a rate', async () => {
    const lines = (await new ServiceMetrics('stage').text()).split('\n');
    expect(lines).toContain('tercet_transfers_total{outcome="corrupt"} 0');
    expect(lines.filter((line) => line.startsWith('tercet_stage_requests_total{'))).toEqual([]);
  });

  test('a counter that somebody else keeps shows what that one has counted', async () => {
    const metrics = new ServiceMetrics('stage');
    let steps = 0;
    metrics.onScrape(() => metrics.countTo('tercet_steps_total', {}, steps));
    for (steps of [3, 7]) expect((await metrics.text()).split('\n')).toContain(`tercet_steps_total ${steps}`);
  });

  test('a gauge forgets the series of a role that is gone', async () => {
    const metrics = new ServiceMetrics('stage');
    metrics.set('tercet_stage_running', { role: 'encode' }, 2);
    metrics.clear('tercet_stage_running');
    metrics.set('tercet_stage_running', { role: 'decode' }, 1);
    const lines = (await metrics.text()).split('\n').filter((line) => line.startsWith('tercet_stage_running'));
    expect(lines).toEqual(['tercet_stage_running{role="decode"} 1']);
  });

  test('a gauge that nobody has set is absent, since 0 would be a value', async () => {
    const metrics = new ServiceMetrics('gateway');
    const lines = async () =>
      (await metrics.text()).split('\n').filter((line) => line.startsWith('tercet_certificate'));
    expect(await lines()).toEqual([]);
    metrics.set('tercet_certificate_left_seconds', {}, -5);
    expect(await lines()).toEqual(['tercet_certificate_left_seconds -5']);
  });

  test('every process tells its memory and processor time', async () => {
    const text = await new ServiceMetrics('gateway').text();
    const value = (name: string) => Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1]);
    expect(value('tercet_process_resident_bytes')).toBeGreaterThan(1e6);
    expect(value('tercet_process_cpu_seconds_total')).toBeGreaterThan(0);
  });

  test('what is not in the list, or is of another service, does not compile', () => {
    const metrics = new ServiceMetrics('gateway');
    // @ts-expect-error not in the list
    expect(() => metrics.count('tercet_nothing_total', {})).toThrow('does not export');
    // @ts-expect-error a metric of the stage processes
    expect(() => metrics.set('tercet_stage_epoch', {}, 1)).toThrow('does not export');
    // @ts-expect-error the set has no such value
    expect(() => metrics.count('tercet_slo_requests_total', { model: 'm', result: 'maybe' })).not.toThrow();
    // @ts-expect-error a label that the metric does not have
    expect(() => metrics.count('tercet_replans_total', { model: 'm', role: 'encode' })).toThrow();
  });
});

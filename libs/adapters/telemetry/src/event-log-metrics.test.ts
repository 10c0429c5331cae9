import { expect, test } from '@jest/globals';
import { metricList } from '@tercet/contracts';
import { topicNames } from '@tercet/event-log';
import { observeEventLog } from './event-log-metrics.js';
import { ServiceMetrics } from './service-metrics.js';

test('what happens to the event log is counted by its topic', async () => {
  const metrics = new ServiceMetrics('controller');
  const observe = observeEventLog(metrics);
  observe({ kind: 'published', topic: 'load', records: 3, ms: 40 });
  observe({ kind: 'dropped', topic: 'load', records: 2 });
  observe({ kind: 'refused', topic: 'roles', code: 'event_log_unavailable' });
  observe({ kind: 'parked', topic: 'jobs', group: 'g', reason: 'unknown body' });
  observe({ kind: 'duplicate', topic: 'jobs', group: 'g' });
  observe({ kind: 'reader failed', topic: 'jobs', group: 'g', code: 'internal' });
  observe({ kind: 'lag', topic: 'load', group: 'g', records: 9 });
  observe({ kind: 'lag', topic: 'load', group: 'g', records: 4 });
  observe({ kind: 'rebalanced', group: 'g', partitions: 2 });
  observe({ kind: 'failed', code: 'event_log_unavailable' });
  const lines = (await metrics.text()).split('\n').filter((line) => /^tercet_event/.test(line) && !line.endsWith(' 0'));
  expect(lines.filter((line) => !line.includes('_bucket'))).toEqual([
    'tercet_events_published_total{topic="load"} 3',
    'tercet_events_publish_seconds_sum{topic="load"} 0.04',
    'tercet_events_publish_seconds_count{topic="load"} 1',
    'tercet_events_dropped_total{topic="load"} 2',
    'tercet_events_refused_total{topic="roles"} 1',
    'tercet_events_parked_total{topic="jobs"} 1',
    'tercet_events_duplicate_total{topic="jobs"} 1',
    'tercet_events_retried_total{topic="jobs"} 1',
    'tercet_events_lag{topic="load",group="g"} 4',
    'tercet_event_rebalances_total 1',
    'tercet_event_log_failures_total{code="event_log_unavailable"} 1',
  ]);
});

test('the list of metrics names the topics that there are', () => {
  expect(metricList.tercet_events_published_total.labels.topic).toEqual(topicNames);
});

import type { Observe, Occurrence } from '@tercet/event-log';
import type { ServiceMetrics } from './service-metrics.js';

type EventLogUser = 'gateway' | 'stage' | 'controller';

/** Counts what happens to the event log of a process. */
export function observeEventLog(metrics: ServiceMetrics<EventLogUser>): Observe {
  return (occurrence) => count(metrics, occurrence);
}

function count(metrics: ServiceMetrics<EventLogUser>, occurrence: Occurrence): void {
  switch (occurrence.kind) {
    case 'published': {
      const { topic, records, ms } = occurrence;
      metrics.count('tercet_events_published_total', { topic }, records);
      return metrics.observe('tercet_events_publish_seconds', { topic }, ms / 1000);
    }
    case 'dropped':
      return metrics.count('tercet_events_dropped_total', { topic: occurrence.topic }, occurrence.records);
    case 'refused':
      return metrics.count('tercet_events_refused_total', { topic: occurrence.topic });
    case 'parked':
      return metrics.count('tercet_events_parked_total', { topic: occurrence.topic });
    case 'duplicate':
      return metrics.count('tercet_events_duplicate_total', { topic: occurrence.topic });
    case 'reader failed':
      return metrics.count('tercet_events_retried_total', { topic: occurrence.topic });
    case 'lag': {
      const { topic, group, records } = occurrence;
      return metrics.set('tercet_events_lag', { topic, group }, records);
    }
    case 'rebalanced':
      return metrics.count('tercet_event_rebalances_total', {});
    case 'failed':
      return metrics.count('tercet_event_log_failures_total', { code: occurrence.code });
    default:
      occurrence satisfies never;
  }
}

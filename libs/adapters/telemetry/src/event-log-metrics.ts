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
      metrics.observe('tercet_events_publish_seconds', { topic }, ms / 1000);
      break;
    }
    case 'dropped':
      metrics.count('tercet_events_dropped_total', { topic: occurrence.topic }, occurrence.records);
      break;
    case 'refused':
      metrics.count('tercet_events_refused_total', { topic: occurrence.topic });
      break;
    case 'parked':
      metrics.count('tercet_events_parked_total', { topic: occurrence.topic });
      break;
    case 'duplicate':
      metrics.count('tercet_events_duplicate_total', { topic: occurrence.topic });
      break;
    case 'reader failed':
      metrics.count('tercet_events_retried_total', { topic: occurrence.topic });
      break;
    case 'lag': {
      const { topic, group, records } = occurrence;
      metrics.set('tercet_events_lag', { topic, group }, records);
      break;
    }
    case 'rebalanced':
      metrics.count('tercet_event_rebalances_total', {});
      break;
    case 'failed':
      metrics.count('tercet_event_log_failures_total', { code: occurrence.code });
      break;
    default:
      occurrence satisfies never;
  }
}

import type { EventsConfig } from '@tercet/config';
import type { EventLog, Observe } from '@tercet/event-log';
import { FileEventLog } from '@tercet/file-event-log';
import { systemClock } from '@tercet/telemetry';

/**
 * The log that this process hears the load from and writes its facts to, where it has one. Kafka's client is loaded
 * where it is used.
 */
export async function openEvents(
  config: EventsConfig,
  { producer, observe }: { readonly producer: string; readonly observe: Observe },
): Promise<EventLog | undefined> {
  const clock = systemClock;
  switch (config.kind) {
    case 'none':
      return undefined;
    case 'file':
      return new FileEventLog({ path: config.path, producer, clock, observe });
    case 'kafka': {
      const { KafkaEventLog } = await import('@tercet/kafka');
      return KafkaEventLog.open({ settings: config, producer, clock, observe });
    }
    default:
      return config satisfies never;
  }
}

import type { Clock } from '@tercet/base';
import type { EventLog, Observe } from '@tercet/event-log';
import type { EventsConfig } from './events-config.js';
import { FileEventLog } from './file/file-event-log.js';
import { KafkaEventLog } from './kafka/kafka-event-log.js';

/** Who opens a log. */
export interface EventWriter {
  /** A pod's name. Each start gets a producer id of its own. */
  readonly producer: string;
  readonly clock: Clock;
  readonly observe: Observe;
}

/** The log that a process writes its facts to and hears of others from, where its configuration names one. */
export async function openEventLog(config: EventsConfig, writer: EventWriter): Promise<EventLog | undefined> {
  switch (config.kind) {
    case 'none':
      return undefined;
    case 'file':
      return new FileEventLog({ path: config.path, ...writer });
    case 'kafka':
      return KafkaEventLog.open({ settings: config, ...writer });
    default:
      return config satisfies never;
  }
}

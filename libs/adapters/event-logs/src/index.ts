export { EventsConfig, type KafkaSettings } from './events-config.js';
export { FileEventLog, type FileEventLogOptions } from './file/file-event-log.js';
export { KafkaEventLog, type KafkaEventLogOptions } from './kafka/kafka-event-log.js';
export { type EventWriter, openEventLog } from './open-event-log.js';

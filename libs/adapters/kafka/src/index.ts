export { KafkaEventLog, type KafkaEventLogOptions } from './kafka-event-log.js';
export type { KafkaSettings } from './settings.js';

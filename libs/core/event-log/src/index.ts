export { Duplicates, duplicateWindow, type RecordName } from './duplicates.js';
export type { EventBody, EventLog, NewEvent, StoredEvent, Subscription } from './event-log.js';
export { FactWriter } from './fact-writer.js';
export { Intake, type IntakeOptions, type KeptRecord } from './intake.js';
export type { Observe, Occurrence } from './occurrence.js';
export { type Offered, Outbox, type OutboxLimits } from './outbox.js';
export {
  batchRecordsMax,
  defaultPublishLimits,
  type Outgoing,
  Publisher,
  type PublisherOptions,
  type PublishLimits,
  type Sleep,
} from './publisher.js';
export {
  eventVersion,
  type OpenedRecord,
  openRecord,
  type ParkReason,
  RecordSealer,
  recordBytesMax,
} from './record.js';
export { parkedTopic, partitionOf, type Topic, type TopicName, topicNames, topics } from './topics.js';

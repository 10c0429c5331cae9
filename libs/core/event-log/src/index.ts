export type { EventBody, EventLog, NewEvent, StoredEvent, Subscription } from './event-log.js';
export type { EventLogObserver } from './observer.js';
export { type Offered, Outbox } from './outbox.js';
export { type Read, RepetitionFilter, readEvent, type UnreadableReason } from './reading.js';
export { eventBytesMax, eventVersion, Sealer } from './sealer.js';
export { partOf, type Topic, type TopicName, topics } from './topics.js';

export type { EventBody, EventLog, NewEvent, StoredEvent, Subscription } from './event-log.js';
export { type Topic, type TopicName, topics } from './topics.js';

export { environment } from './config.js';
export { freePort } from './free-port.js';
export { findKafka, KafkaBroker, type KafkaJars, kafkaUser, needsKafka } from './kafka-broker.js';
export { needs, needsClusterPrograms, needsModel, needsPythonModules } from './needs.js';

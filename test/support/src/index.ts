export { CertificateAuthority, type IssuedFiles, RenewedCertificates } from './certificate-authority.js';
export { environment } from './config.js';
export { freePort } from './free-port.js';
export { findKafka, KafkaBroker, type KafkaJars, kafkaUser, needsKafka } from './kafka-broker.js';
export { needs, needsModel, needsPythonModules } from './needs.js';
export { PrivatePostgres } from './private-postgres.js';

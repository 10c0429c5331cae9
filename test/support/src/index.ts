export { CertificateAuthority, type IssuedFiles, RenewedCertificates } from './certificate-authority.js';
export { environment } from './config.js';
export { freePort } from './free-port.js';
export { KafkaBroker, kafkaUser } from './kafka-broker.js';
export { needs, needsClusterPrograms, needsKafka, needsModel, needsPythonModules } from './needs.js';
export { PrivatePostgres } from './private-postgres.js';

export { CertificateAuthority, type IssuedFiles, RenewedCertificates } from './certificate-authority.js';
export { environment } from './config.js';
export { needs, needsModel, needsPythonModules } from './needs.js';
export { PrivatePostgres } from './private-postgres.js';

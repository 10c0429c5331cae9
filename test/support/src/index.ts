export { CertificateAuthority, type IssuedFiles } from './certificate-authority.js';
export { environment } from './config.js';
export { needs, needsModel, needsPythonModules } from './needs.js';

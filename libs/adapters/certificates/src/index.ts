export { CertificateFiles, type CertificatePaths } from './certificate-files.js';
export { CertificatesConfig, openCertificates } from './certificates-config.js';

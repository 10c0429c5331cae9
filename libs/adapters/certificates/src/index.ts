export { CertificateFiles, type CertificatePaths } from './certificate-files.js';

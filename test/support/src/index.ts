export { environment } from './config.js';
export { needs, needsModel, needsPythonModules } from './needs.js';
export { PrivatePostgres } from './private-postgres.js';

export { environment } from './config.js';
export { needs, needsModel, needsPythonModules } from './needs.js';

export { environment } from './config.js';
export { needs, needsClusterPrograms, needsModel, needsPythonModules } from './needs.js';

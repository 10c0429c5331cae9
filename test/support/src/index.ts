export { environment } from './config.js';
export { needs, needsPythonModules } from './needs.js';

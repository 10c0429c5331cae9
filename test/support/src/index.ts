export { environment } from './config.js';
export { needs } from './needs.js';

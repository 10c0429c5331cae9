export type { Alert } from './alert.js';
export { alertGroups } from './alerts.js';
export { rulesYaml } from './rules.js';

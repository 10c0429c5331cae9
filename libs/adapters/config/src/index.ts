export { type ConfigSources, fromEnvironment, loadConfig, maskSecrets } from './load-config.js';

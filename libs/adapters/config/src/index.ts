export { type ConfigSources, fromEnvironment, loadConfig, maskSecrets } from './load-config.js';
export { configFromArguments, untilStopped } from './service-process.js';

import { maskSecrets } from './load-config.js';

/**
 * The configuration of a service that was started with these arguments: `--config FILE` reads a file, `--print-config`
 * prints what would be used, secrets masked, and yields nothing.
 * @throws config_invalid
 */
export function configFromArguments<Config>(
  args: readonly string[],
  readConfig: (file?: string) => Config,
): Config | undefined {
  const fileAt = args.indexOf('--config');
  const config = readConfig(fileAt < 0 ? undefined : args[fileAt + 1]);
  if (!args.includes('--print-config')) return config;
  process.stdout.write(`${JSON.stringify(maskSecrets(config), undefined, 2)}\n`);
  return undefined;
}

/** Resolves with the reason when this process is asked to end, or when whoever started it is gone. */
export function untilStopped(): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  for (const reason of ['SIGTERM', 'SIGINT', 'disconnect']) process.once(reason, () => resolve(reason));
  return promise;
}

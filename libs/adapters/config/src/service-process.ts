import { z } from 'zod';
import { maskSecrets } from './load-config.js';

/** How a service's configuration looks, and how it is read. */
export interface ConfigReader<Config> {
  readonly schema: z.ZodType<Config>;
  /** @throws config_invalid */
  read(file?: string): Config;
}

/**
 * The configuration of a service that was started with these arguments: `--config FILE` reads a file. `--print-config`
 * prints what would be used, secrets masked, and `--print-config-schema` what there is to set, as a JSON schema; both
 * yield nothing.
 * @throws config_invalid
 */
export function configFromArguments<Config>(
  args: readonly string[],
  { schema, read }: ConfigReader<Config>,
): Config | undefined {
  if (args.includes('--print-config-schema')) return print(z.toJSONSchema(schema, { io: 'input', target: 'draft-7' }));
  const fileAt = args.indexOf('--config');
  const config = read(fileAt < 0 ? undefined : args[fileAt + 1]);
  return args.includes('--print-config') ? print(maskSecrets(config)) : config;
}

function print(document: unknown): undefined {
  process.stdout.write(`${JSON.stringify(document, undefined, 2)}\n`);
}

/** Resolves with the reason when this process is asked to end, or when whoever started it is gone. */
export function untilStopped(): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  for (const reason of ['SIGTERM', 'SIGINT', 'disconnect']) process.once(reason, () => resolve(reason));
  return promise;
}

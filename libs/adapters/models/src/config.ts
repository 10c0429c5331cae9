import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

type Environment = Readonly<Record<string, string | undefined>>;

/** Where models and their catalog are on this machine. */
export interface ModelsConfig {
  /** One cache for the machine's user: TERCET_MODELS_DIR, else `tercet/models` in the user's cache folder. */
  readonly folder: string;
  /** The catalog file: TERCET_CATALOG, else the one that comes with tercet. */
  readonly catalogFile: string;
  /** HF_TOKEN: sent to the model hub only, for models whose licence must be accepted there. */
  readonly hubToken: string | undefined;
}

/** What programs that are started here get, where nothing else is said. */
export const ownEnvironment: NodeJS.ProcessEnv = process.env;

export function modelsConfig(environment: Environment = ownEnvironment): ModelsConfig {
  const cache = environment.XDG_CACHE_HOME || join(environment.HOME || homedir(), '.cache');
  return {
    folder: environment.TERCET_MODELS_DIR || join(cache, 'tercet', 'models'),
    catalogFile:
      environment.TERCET_CATALOG || fileURLToPath(new URL('../../../../models/catalog.json', import.meta.url)),
    hubToken: environment.HF_TOKEN || undefined,
  };
}

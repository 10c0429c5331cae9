import { loadCatalog, ModelStore, modelsConfig } from '@tercet/models';
import { environment } from './config.js';

/** The models of the catalog on this machine's disk. @throws config_invalid for a catalog that cannot be read */
export function openModelStore(): ModelStore {
  const { catalogFile, folder, hubToken } = modelsConfig(environment);
  return new ModelStore({ catalog: loadCatalog(catalogFile), folder, hubToken });
}

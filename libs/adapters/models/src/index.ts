export {
  type Catalog,
  CatalogFile,
  CatalogModel,
  CatalogShape,
  CatalogSource,
  loadCatalog,
  modelOf,
} from './catalog.js';
export { type ModelsConfig, modelsConfig } from './config.js';
export {
  type FileCheck,
  type ListedModel,
  type ModelState,
  ModelStore,
  type ModelStoreOptions,
  type PullOptions,
  type PullPhase,
  type PullProgress,
} from './model-store.js';
export { openGguf } from './open-gguf.js';
export { type ResolvedModel, resolveModel } from './resolve-model.js';

export {
  type Catalog,
  CatalogFile,
  CatalogModel,
  CatalogShape,
  CatalogSource,
  loadCatalog,
  modelOf,
} from './catalog.js';

export { hasHash, newApiKey } from './key-secret.js';
export { openControlStore } from './open-control-store.js';
export { type PostgresAddress, PostgresDatabase } from './postgres-database.js';
export { SqlControlStore } from './sql-control-store.js';
export { SqliteDatabase } from './sqlite-database.js';
export { type StoreConfig, storeConfig } from './store-config.js';

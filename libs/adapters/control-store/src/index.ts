export { type PostgresAddress, PostgresDatabase } from './postgres-database.js';
export { SqlControlStore } from './sql-control-store.js';
export { SqliteDatabase } from './sqlite-database.js';

export { hasHash, hashOfKey, newApiKey } from './key-secret.js';
export { SqliteKeyStore } from './sqlite-key-store.js';

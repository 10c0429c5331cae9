// Writes helm/tercet/values.schema.json, from built services: node --conditions=tercet-source scripts/ts.mjs THIS
import { writeFileSync } from 'node:fs';
import { serviceSchemas, valuesSchema } from './src/index.js';

const path = new URL('../../helm/tercet/values.schema.json', import.meta.url);
writeFileSync(path, `${JSON.stringify(valuesSchema(serviceSchemas()), undefined, 2)}\n`);

// Writes the custom resource definition to where Helm finds it:
// node --conditions=tercet-source scripts/ts.mjs libs/adapters/kubernetes/write-definition.ts
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { servingPoolYaml } from '@tercet/kubernetes';

const file = fileURLToPath(new URL('../../../helm/tercet/crds/servingpools.yaml', import.meta.url));
mkdirSync(dirname(file), { recursive: true });
writeFileSync(file, servingPoolYaml());

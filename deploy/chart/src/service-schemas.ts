import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { ServiceSchemas } from './values-schema.js';

/** What the built services print. */
export function serviceSchemas(): ServiceSchemas {
  return { gateway: printed('gateway'), stage: printed('stage'), controller: printed('controller') };
}

function printed(service: string): object {
  const program = fileURLToPath(new URL(`../../../services/${service}/dist/main.js`, import.meta.url));
  return JSON.parse(execFileSync(process.execPath, [program, '--print-config-schema'], { encoding: 'utf8' }));
}

#!/usr/bin/env node
// The `tercet` command. In a clone it goes through the workspace's own entry, which installs and builds what is missing
// and goes on under the pinned Node; elsewhere it runs what was built.
import { existsSync } from 'node:fs';

const workspace = new URL('../../scripts/tercet.mjs', import.meta.url);
if (existsSync(workspace)) {
  process.argv.splice(2, 0, 'cli');
  await import(workspace.href);
} else {
  await import('../dist/main.js');
}

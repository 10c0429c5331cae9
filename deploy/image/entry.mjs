// Entry of the container image: the first argument says which of its programs runs (`gateway`, `stage`, … as the
// folders under services/ are called, or `cli`), the others are that program's own.
import { existsSync, readdirSync } from 'node:fs';

const app = new URL('../../', import.meta.url);
const services = readdirSync(new URL('services/', app));
const [name = ''] = process.argv.splice(2, 1);
const program = new URL(name === 'cli' ? 'cli/dist/main.js' : `services/${name}/dist/main.js`, app);
if (!/^[a-z-]+$/.test(name) || !existsSync(program)) {
  console.error(`no program '${name}'; one of: ${[...services, 'cli'].join(', ')}`);
  process.exit(2);
}
await import(program.href);

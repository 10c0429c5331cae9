// Writes THIRD_PARTY_NOTICES.md: every package that comes with tercet when it runs, with version and licence, from what
// is installed. `--check` says whether the file is what it would write.
import { existsSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { packageFolders } from './workspace.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const target = join(root, 'THIRD_PARTY_NOTICES.md');
const notices = render(collect());
if (!process.argv.includes('--check')) writeFileSync(target, notices);
else if (!existsSync(target) || readFileSync(target, 'utf8') !== notices) {
  console.error('THIRD_PARTY_NOTICES.md is out of date: node scripts/notices.mjs writes it');
  process.exit(1);
}

/** Packages reached through `dependencies` and `optionalDependencies` of what runs; development tools are left out. */
function collect() {
  const found = new Map();
  const seen = new Set();
  const visit = (folder, isOurs) => {
    const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    if (!isOurs) found.set(`${manifest.name} ${manifest.version}`, licenceOf(manifest));
    for (const name of Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies })) {
      const place = locate(folder, name);
      // Packages for other platforms are not installed here; they are named by their family below.
      if (place === undefined || seen.has(place)) continue;
      seen.add(place);
      visit(place, place.startsWith(root) && !place.includes('node_modules'));
    }
  };
  for (const folder of packageFolders(root)) {
    if (!/\/(test|bench)(\/|$)/.test(folder)) visit(folder, true);
  }
  return found;
}

function locate(from, name) {
  for (let folder = from; ; folder = dirname(folder)) {
    const place = join(folder, 'node_modules', name);
    if (existsSync(join(place, 'package.json'))) return realpathSync(place);
    if (folder === dirname(folder)) return undefined;
  }
}

function licenceOf({ license, licenses }) {
  if (typeof license === 'string') return license;
  if (typeof license?.type === 'string') return license.type;
  return Array.isArray(licenses) ? licenses.map(({ type }) => type).join(' OR ') : 'see the package';
}

function render(found) {
  // Platform packages differ from machine to machine; the file must not.
  const platform = /[-/](linux|darwin|win32|mac|win)(musl)?-(x64|arm64|arm|armv7l|ia32|s390x|ppc64|riscv64)/;
  const rows = [...found].filter(([name]) => !platform.test(name)).sort(([a], [b]) => (a < b ? -1 : 1));
  return [
    '# Third-party notices',
    '',
    'tercet is under the Apache License 2.0. It runs with these packages, each under its own licence; licence texts',
    'are in the packages. Prebuilt parts for one platform belong to the package of the same family:',
    '`@node-llama-cpp/*` carries llama.cpp and ggml (MIT), `@img/sharp-*` carries libvips (LGPL-3.0-or-later),',
    '`@koromix/koffi-*` and `koffi` carry Koffi (MIT), `node-*` carries Node.js (MIT).',
    '',
    '| package | licence |',
    '|---|---|',
    ...rows.map(([name, licence]) => `| ${name} | ${licence} |`),
    '',
  ].join('\n');
}

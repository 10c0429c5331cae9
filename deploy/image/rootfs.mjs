// Lays out the file system of the container image: `node deploy/image/rootfs.mjs FOLDER`, after `npm run build`.
// In it are the pinned Node with the libraries that it and the native parts load, the services with the packages that
// they need when they run, and the tiny model. There is no shell and no package manager. The Dockerfile copies this
// folder, and the tests pack it without a Docker engine, so both are the same image.
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');
/** Numeric, so that Kubernetes can see that it is not root. */
export const imageUser = 65532;
const app = 'app';
/** Beside the programs; the picture is what `helm test` asks about. */
const repositoryFiles = [
  'LICENSE',
  'THIRD_PARTY_NOTICES.md',
  'models/catalog.json',
  'deploy/image/entry.mjs',
  'docs/examples/picture.png',
];

/** Of packages that carry much more than what runs: folders and files that are left out. */
const leftOut = {
  rxjs: /^(src|dist\/(bundles|esm|esm5|types)|ajax|fetch|operators|testing|webSocket)(\/|$)/,
  '@node-llama-cpp/linux-x64': /(libllama|llama-addon)/,
  '@node-llama-cpp/linux-arm64': /(libllama|llama-addon)/,
};
/** Of every package of others: what only people, compilers and debuggers read. Licences stay. */
const onlyForPeople = /(\.d\.[cm]?ts|\.map|\.md|\.markdown|\.tsbuildinfo|\.flow)$/i;

/** Empties the folder and fills it. @returns its size in bytes */
export function makeRootfs(folder) {
  rmSync(folder, { recursive: true, force: true });
  const native = copyNode(folder);
  const copied = new Set();
  for (const entry of [...serviceFolders(), 'cli']) copyPackage(join(root, entry), folder, copied);
  copyRepositoryFiles(folder);
  native.push(...walk(join(folder, app)).filter((file) => /\.(node|so(\.[0-9.]+)?)$/.test(file)));
  copyLibraries(folder, native);
  writeSystemFiles(folder);
  return walk(folder).reduce((bytes, file) => bytes + lstatSync(file).size, 0);
}

function serviceFolders() {
  return readdirSync(join(root, 'services')).map((name) => join('services', name));
}

/** @returns the binary, for the libraries that it loads */
function copyNode(folder) {
  const require = createRequire(join(root, 'package.json'));
  const found = require.resolve(`node-${process.platform}-${process.arch}/package.json`);
  const target = place(folder, 'usr/bin/node');
  copyFileSync(join(dirname(found), 'bin/node'), target);
  execFileSync('strip', ['-s', target]);
  chmodSync(target, 0o755);
  return [target];
}

/** A package with everything that it needs when it runs, each at the place and behind the links that it has here. */
function copyPackage(link, folder, copied) {
  const real = realpathSync(link);
  if (copied.has(real)) return;
  copied.add(real);
  const manifest = JSON.parse(readFileSync(join(real, 'package.json'), 'utf8'));
  const isOurs = !relative(root, real).startsWith('node_modules');
  const target = join(folder, app, relative(root, real));
  cpSync(real, target, {
    recursive: true,
    verbatimSymlinks: true,
    filter: (source) => isNeeded(relative(real, source), { isOurs, drop: leftOut[manifest.name] }),
  });
  const { dependencies, optionalDependencies, peerDependencies } = manifest;
  for (const name of Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies })) {
    if (isForOthers(name)) continue;
    const dependency = findDependency(real, name);
    if (dependency === undefined) continue;
    copyPackage(dependency, folder, copied);
    linkAlike(dependency, folder);
  }
}

function isNeeded(path, { isOurs, drop }) {
  if (path === '') return true;
  const top = path.split(sep)[0];
  if (isOurs) return ['package.json', 'dist', 'public', 'bin'].includes(top) && !path.endsWith('.d.ts');
  return top !== 'node_modules' && !onlyForPeople.test(path) && !(drop?.test(path) ?? false);
}

/** Where Node would find it; `undefined` for an optional one that is not installed. */
function findDependency(from, name) {
  for (let at = from; ; at = dirname(at)) {
    const candidate = join(at, 'node_modules', name);
    if (existsSync(join(candidate, 'package.json'))) return candidate;
    if (at === root) return undefined;
  }
}

/** Types, parts for the runtime Bare, and native parts for other platforms. */
function isForOthers(name) {
  if (/^(@types\/|bare-)/.test(name)) return true;
  const [platform] = name.match(/(linux|mac|darwin|win32|win)-(x64|arm64)/) ?? [];
  return platform !== undefined && platform !== `${process.platform}-${process.arch}`;
}

function linkAlike(link, folder) {
  const place = join(folder, app, relative(root, link));
  if (!lstatSync(link).isSymbolicLink() || existsSync(place)) return;
  mkdirSync(dirname(place), { recursive: true });
  symlinkSync(relative(dirname(link), realpathSync(link)), place);
}

/** What the code reads by its place in the repository. */
function copyRepositoryFiles(folder) {
  for (const path of repositoryFiles) copyFileSync(join(root, path), place(folder, app, path));
  for (const path of ['models/tiny', 'native/kernels/dist']) {
    for (const file of readdirSync(join(root, path)).filter((name) => /\.(gguf|so)$/.test(name))) {
      copyFileSync(join(root, path, file), place(folder, app, path, file));
    }
  }
}

/** The shared libraries of this system that the files load, the loader itself among them. */
function copyLibraries(folder, files) {
  const wanted = new Set(files.flatMap(librariesOf).filter((path) => !path.startsWith(folder)));
  for (const path of wanted) {
    const target = place(folder, path);
    copyFileSync(realpathSync(path), target);
    chmodSync(target, 0o755);
  }
}

function librariesOf(file) {
  try {
    const text = execFileSync('ldd', [file], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
    return [...text.matchAll(/(\/\S+) \(0x/g)].map(([, path]) => path);
  } catch {
    return []; // ldd refuses what is static or of another platform: then there is nothing to load
  }
}

function writeSystemFiles(folder) {
  const files = {
    'etc/passwd': `root:x:0:0:root:/:/\ntercet:x:${imageUser}:${imageUser}:tercet:/${app}:/\n`,
    'etc/group': `root:x:0:\ntercet:x:${imageUser}:\n`,
    'etc/nsswitch.conf': 'hosts: files dns\n',
  };
  for (const [path, text] of Object.entries(files)) writeFileSync(place(folder, path), text);
  mkdirSync(join(folder, 'tmp'), { recursive: true });
  chmodSync(join(folder, 'tmp'), 0o1777);
}

/** Path under the folder, with its parents made. */
function place(folder, ...path) {
  const target = join(folder, ...path);
  mkdirSync(dirname(target), { recursive: true });
  return target;
}

/** Files under the folder; links are not followed. */
function walk(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return walk(path);
    return entry.isFile() ? [path] : [];
  });
}

if (process.argv[1] !== undefined && basename(process.argv[1]) === 'rootfs.mjs') {
  const [folder] = process.argv.slice(2);
  if (folder === undefined) throw new Error('usage: node deploy/image/rootfs.mjs FOLDER');
  console.log(`${folder}: ${(makeRootfs(folder) / 1e6).toFixed(1)} MB`);
}

// Compiles the native kernels with the system's C++ compiler into dist/libtercet_kernels.{so,dylib}, only what changed.
// Every instruction set has its own translation unit, so that one library runs on every CPU of its kind.
// Without a compiler nothing is built, and tercet runs on its TypeScript and Node twins.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, renameSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const flags = ['-std=c++17', '-O3', '-fPIC', '-fvisibility=hidden', '-fno-exceptions', '-fno-rtti', '-Wall', '-Wextra'];
const quietFlags = ['-Wno-unknown-warning-option'];
/** GCC 12 warns about its own header for AVX-512. */
const noisy = ['-Wno-uninitialized', '-Wno-maybe-uninitialized'];
/** No products and sums are fused behind the source's back: the same codes and distances on every machine. */
const exact = ['-ffp-contract=off'];

/** `macro` tells the dispatcher that the unit is there: a compiler that cannot make it leaves it out. */
const units = [
  { file: 'crc32_scalar.cpp', flags: [] },
  { file: 'crc32_pclmul.cpp', arch: 'x64', macro: 'TERCET_WITH_PCLMUL', flags: ['-msse4.1', '-mpclmul'] },
  {
    file: 'crc32_avx512.cpp',
    arch: 'x64',
    macro: 'TERCET_WITH_AVX512',
    flags: ['-mavx512f', '-mavx512vl', '-mavx512dq', '-mpclmul', '-mvpclmulqdq', ...noisy],
  },
  { file: 'crc32_arm.cpp', arch: 'arm64', macro: 'TERCET_WITH_ARMCRC', flags: ['-march=armv8-a+crc'] },
  { file: 'largest_baseline.cpp', flags: [] },
  { file: 'largest_avx2.cpp', arch: 'x64', macro: 'TERCET_WITH_AVX2', flags: ['-mavx2'] },
  { file: 'graph_scalar.cpp', flags: exact },
  { file: 'graph_avx2.cpp', arch: 'x64', macro: 'TERCET_WITH_AVX2', flags: [...exact, '-mavx2', '-mfma', '-mf16c'] },
  {
    file: 'graph_avx512.cpp',
    arch: 'x64',
    macro: 'TERCET_WITH_VNNI',
    flags: [...exact, ...['f', 'bw', 'vl', 'dq', 'vnni'].map((set) => `-mavx512${set}`), '-mfma', '-mf16c', ...noisy],
  },
  { file: 'graph_neon.cpp', arch: 'arm64', flags: exact },
  { file: 'graph_codes.cpp', flags: exact },
  { file: 'graph_edit.cpp', flags: [] },
  { file: 'vectors.cpp', flags: ['-pthread'], knowsUnits: true },
  { file: 'dispatch.cpp', flags: [], knowsUnits: true },
];

/** Path of the library for this machine, built or not. */
export const libraryPath = join(here, `dist/libtercet_kernels.${process.platform === 'darwin' ? 'dylib' : 'so'}`);

/**
 * Builds the library if a source is newer than it.
 * @returns {Promise<'built' | 'fresh' | 'no-compiler' | 'failed'>}
 */
export async function buildKernels({ quiet = false } = {}) {
  const newest = Math.max(...sources().map((file) => statSync(file).mtimeMs));
  if (existsSync(libraryPath) && statSync(libraryPath).mtimeMs >= newest) return 'fresh';
  const compiler = ['c++', 'g++', 'clang++'].find((name) => spawnSync(name, ['--version']).status === 0);
  if (compiler === undefined) {
    console.error('native kernels: no C++ compiler (c++, g++, clang++) found; the slower portable twins are used');
    return 'no-compiler';
  }
  const objects = compileUnits(compiler);
  if (objects === undefined || !link(compiler, objects)) {
    console.error('native kernels: the build failed, the lines above say why; the slower portable twins are used');
    return 'failed';
  }
  if (!quiet) console.log(`native kernels built with ${compiler}`);
  return 'built';
}

function compileUnits(compiler) {
  const folder = join(here, `dist/objects-${process.platform}-${process.arch}`);
  mkdirSync(folder, { recursive: true });
  const macros = [];
  const objects = [];
  for (const unit of units.filter(({ arch }) => arch === undefined || arch === process.arch)) {
    const object = join(folder, unit.file.replace('.cpp', '.o'));
    if (unit.macro !== undefined && !understands(compiler, unit.flags)) continue;
    if (unit.macro !== undefined) macros.push(`-D${unit.macro}`);
    const args = [
      ...flags,
      ...quietFlags,
      ...unit.flags,
      ...(unit.knowsUnits ? macros : []),
      '-I',
      join(here, 'include'),
    ];
    if (!compile(compiler, args, { source: join(here, 'src', unit.file), object })) return undefined;
    objects.push(object);
  }
  return objects;
}

function compile(compiler, args, { source, object }) {
  if (
    existsSync(object) &&
    statSync(object).mtimeMs >= newestOf([source, ...headers(), fileURLToPath(import.meta.url)])
  )
    return true;
  // Two builds at once must not read each other's half-written files.
  const temporary = `${object}.${process.pid}`;
  const done = spawnSync(compiler, [...args, '-c', source, '-o', temporary], { stdio: ['ignore', 2, 2] });
  if (done.status !== 0) return false;
  renameSync(temporary, object);
  return true;
}

function link(compiler, objects) {
  const temporary = `${libraryPath}.${process.pid}`;
  const done = spawnSync(compiler, ['-shared', '-pthread', '-o', temporary, ...objects], { stdio: ['ignore', 2, 2] });
  if (done.status !== 0) return false;
  renameSync(temporary, libraryPath);
  return true;
}

function understands(compiler, unitFlags) {
  return spawnSync(compiler, [...unitFlags, '-fsyntax-only', '-x', 'c++', '/dev/null']).status === 0;
}

function sources() {
  return [...units.map(({ file }) => join(here, 'src', file)), ...headers(), fileURLToPath(import.meta.url)];
}

function headers() {
  return ['include', 'src'].flatMap((folder) =>
    readdirSync(join(here, folder))
      .filter((file) => file.endsWith('.h'))
      .map((file) => join(here, folder, file)),
  );
}

function newestOf(files) {
  return Math.max(...files.map((file) => statSync(file).mtimeMs));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await buildKernels();

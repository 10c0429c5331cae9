// Finds and opens the prebuilt ggml libraries that the packages @node-llama-cpp/<platform> carry, and refuses any other
// build: struct layouts and numerics below are those of exactly this version.
import { readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { TercetError } from '@tercet/contracts';
import koffi, { type LibraryHandle } from 'koffi';

export interface GgmlBuild {
  readonly version: string;
  /** The first characters of it. */
  readonly commit: string;
}

/** What the pinned package answers; anything else is refused. */
export const expectedGgml: GgmlBuild = { version: '0.25.1', commit: '0ad4a86' };

const platformPackages: Record<string, string> = {
  'linux-x64': '@node-llama-cpp/linux-x64',
  'linux-arm64': '@node-llama-cpp/linux-arm64',
  'darwin-arm64': '@node-llama-cpp/mac-arm64-metal',
  'darwin-x64': '@node-llama-cpp/mac-x64',
};

export interface GgmlLibraries {
  /** Folder of the CPU variants; ggml picks the best for this processor. */
  readonly folder: string;
  readonly base: LibraryHandle;
  readonly ggml: LibraryHandle;
}

/** @throws engine_incompatible when the package is absent or the library is not the expected build */
export function openLibraries(): GgmlLibraries {
  const folder = libraryFolder();
  const files = readdirSync(folder);
  const open = (pattern: RegExp) => {
    const name = files.find((file) => pattern.test(file));
    if (name === undefined) throw new TercetError('engine_incompatible', { missing: pattern.source });
    keepLoaded(join(folder, name));
    return koffi.load(join(folder, name));
  };
  const base = open(/^libggml-base(\.[\w.]+)?\.(so|dylib)/);
  const ggml = open(/^libggml(\.v?[\d.]+)?\.(so|dylib)/);
  checkBuild(base);
  return { folder, base, ggml };
}

/** Folder of the pinned libraries for this machine. @throws engine_incompatible */
export function libraryFolder(): string {
  const name = platformPackages[`${process.platform}-${process.arch}`];
  if (name === undefined) {
    throw new TercetError('engine_incompatible', { platform: `${process.platform}-${process.arch}` });
  }
  try {
    // The package exports only its entry, dist/index.js; the libraries lie beside that folder.
    const bins = join(dirname(dirname(createRequire(import.meta.url).resolve(name))), 'bins');
    const [only] = readdirSync(bins);
    return join(bins, only ?? '');
  } catch (cause) {
    throw new TercetError('engine_incompatible', { missing: name }, { cause });
  }
}

/**
 * Loads a library so that it stays for as long as the process lives. A handle that is collected would unload it, and
 * ggml ends the process when it is loaded again.
 */
function keepLoaded(path: string): void {
  const isDarwin = process.platform === 'darwin';
  const libc = koffi.load(isDarwin ? 'libSystem.dylib' : 'libc.so.6');
  const now = 2;
  const noDelete = isDarwin ? 0x80 : 0x1000;
  const handle = libc.func('int64 dlopen(const char *path, int flags)')(path, now | noDelete) as number;
  if (handle === 0) throw new TercetError('engine_incompatible', { library: path });
}

/** @throws engine_incompatible when the library is another build; the details name what differs */
export function checkBuild(base: LibraryHandle, expected = expectedGgml): void {
  const version = base.func('const char *ggml_version()')() as string;
  const commit = base.func('const char *ggml_commit()')() as string;
  if (version !== expected.version) {
    throw new TercetError('engine_incompatible', { version, expectedVersion: expected.version });
  }
  if (!commit.startsWith(expected.commit)) {
    throw new TercetError('engine_incompatible', { commit, expectedCommit: expected.commit });
  }
}

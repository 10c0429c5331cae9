import { spawnSync } from 'node:child_process';
import { copyFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
// @ts-expect-error plain JavaScript, run before anything is built
import { tidyProblems } from '../../../scripts/check/tidy.mjs';

const root = join(import.meta.dirname, '../../..');
const bin = (name: string) => join(root, 'node_modules/.bin', name);
let tree: string;

beforeAll(() => {
  tree = mkdtempSync(join(tmpdir(), 'tercet-rules-'));
});
afterAll(() => rmSync(tree, { recursive: true, force: true }));

function write(path: string, text: string): void {
  mkdirSync(dirname(join(tree, path)), { recursive: true });
  writeFileSync(join(tree, path), text);
}

// Every import rule with the smallest tree that breaks it: [file, what it imports].
const importFixtures: Record<string, [string, string][]> = {
  'no-cycles': [
    ['libs/core/kv/src/a.ts', './b.js'],
    ['libs/core/kv/src/b.ts', './a.js'],
  ],
  resolvable: [['libs/core/kv/src/c.ts', './missing.js']],
  'packages-meet-at-index': [['libs/core/engine/src/d.ts', '../../kv/src/a.js']],
  'base-stands-alone': [['libs/base/src/e.ts', '../../contracts/src/index.js']],
  'contracts-use-base-and-protobuf': [['libs/contracts/src/f.ts', '../../core/kv/src/index.js']],
  'core-does-no-io': [['libs/core/kv/src/g.ts', 'node:fs']],
  'core-knows-no-framework': [['libs/core/kv/src/h.ts', '@nestjs/common']],
  'core-knows-no-outer-layer': [['libs/core/kv/src/i.ts', '../../../adapters/ggml/src/index.js']],
  'core-order-media': [['libs/core/media/src/j.ts', '../../kv/src/index.js']],
  'core-order-kv': [['libs/core/kv/src/k.ts', '../../scheduler/src/index.js']],
  'core-order-scheduler': [['libs/core/scheduler/src/l.ts', '../../engine/src/index.js']],
  'core-order-gguf': [['libs/core/gguf/src/aa.ts', '../../engine/src/index.js']],
  'core-order-text': [['libs/core/text/src/ab.ts', '../../engine/src/index.js']],
  'core-order-stage': [['libs/core/stage/src/ac.ts', '../../kv/src/index.js']],
  'core-order-engine': [['libs/core/engine/src/m.ts', '../../media/src/index.js']],
  'core-order-vector-index': [['libs/core/vector-index/src/n.ts', '../../kv/src/index.js']],
  'core-order-collection': [['libs/core/collection/src/ah.ts', '../../kv/src/index.js']],
  'core-order-semantic-cache': [['libs/core/semantic-cache/src/o.ts', '../../kv/src/index.js']],
  'core-order-cost-model': [['libs/core/cost-model/src/p.ts', '../../kv/src/index.js']],
  'core-order-routing': [['libs/core/routing/src/q.ts', '../../kv/src/index.js']],
  'core-order-allocation': [['libs/core/allocation/src/r.ts', '../../kv/src/index.js']],
  'core-order-controller': [['libs/core/controller/src/ad.ts', '../../kv/src/index.js']],
  'core-order-event-log': [['libs/core/event-log/src/ae.ts', '../../kv/src/index.js']],
  'core-order-facts': [['libs/core/facts/src/ah.ts', '../../kv/src/index.js']],
  'core-order-jobs': [['libs/core/jobs/src/af.ts', '../../kv/src/index.js']],
  'core-order-tenancy': [['libs/core/tenancy/src/ag.ts', '../../kv/src/index.js']],
  'adapter-knows-no-adapter': [['libs/adapters/ggml/src/s.ts', '../../grpc/src/index.js']],
  'adapter-knows-no-service': [['libs/adapters/ggml/src/t.ts', '../../../../services/gateway/src/index.js']],
  'service-knows-no-service': [['services/encode/src/u.ts', '../../gateway/src/index.js']],
  'nest-in-services-only': [['cli/src/v.ts', '@nestjs/common']],
};
const indexes = [
  'libs/contracts',
  'libs/core/kv',
  'libs/core/media',
  'libs/core/scheduler',
  'libs/core/engine',
  'libs/core/gguf',
  'libs/core/text',
  'libs/core/stage',
  'libs/adapters/ggml',
  'libs/adapters/grpc',
  'services/gateway',
];

describe('import rules', () => {
  const config = 'scripts/check/import-rules.cjs';
  const rules = createRequire(import.meta.url)(join(root, config)).forbidden as { name: string }[];
  let found: Set<string>;

  beforeAll(() => {
    copyFileSync(join(root, 'tsconfig.json'), join(tree, 'tsconfig.json'));
    for (const folder of indexes) write(`${folder}/src/index.ts`, 'export {};\n');
    for (const [path, target] of Object.values(importFixtures).flat()) write(path, `import '${target}';\n`);
    const run = spawnSync(
      bin('depcruise'),
      ['--config', join(root, config), '--output-type', 'json', 'libs', 'services', 'cli'],
      { cwd: tree, encoding: 'utf8', maxBuffer: 1 << 26 },
    );
    const report = JSON.parse(run.stdout) as { summary: { violations: { rule: { name: string }; from: string }[] } };
    found = new Set(report.summary.violations.map((v) => `${v.rule.name} ${v.from}`));
  });

  test('every rule has a fixture', () => {
    expect(Object.keys(importFixtures).sort()).toEqual(rules.map((rule) => rule.name).sort());
  });

  test.each(Object.entries(importFixtures))('%s turns red', (name, files) => {
    expect(files.some(([path]) => found.has(`${name} ${path}`))).toBe(true);
  });
});

describe('tidy rules', () => {
  const long = 'x'.repeat(121);
  test.each([
    ['file-length', 'libs/base/src/a.ts', '\n'.repeat(401)],
    ['line-length', 'cli/src/a.ts', long],
    ['environment', 'services/gateway/src/a.ts', 'process.env.HOME'],
    ['clock', 'libs/core/kv/src/a.ts', 'Date.now()'],
    ['clock', 'libs/base/src/a.ts', 'Math.random()'],
    ['folder-name', 'libs/core/kv/src/utils/a.ts', ''],
    ['leak', 'docs/a.md', `see ${['', 'work', 'main'].join('/')}`],
    ['leak', 'pnpm-lock.yaml', `https://registry.${'npmjs'}.org/x`],
  ])('%s turns red in %s', (rule, path, text) => {
    expect(tidyProblems(path, text).map((p: { rule: string }) => p.rule)).toEqual([rule]);
  });

  test.each([
    ['libs/base/src/a.ts', '\n'.repeat(400)],
    ['services/gateway/src/config.ts', 'process.env.HOME'],
    ['libs/adapters/grpc/src/a.ts', 'Date.now()'],
    ['docs/a.md', long],
  ])('%s may', (path, text) => {
    expect(tidyProblems(path, text)).toEqual([]);
  });
});

describe('protobuf rules', () => {
  const contracts = join(root, 'libs/contracts');
  const status = (...args: string[]) => spawnSync(bin('buf'), args, { cwd: tree, encoding: 'utf8' });

  beforeAll(() => {
    cpSync(join(contracts, 'proto'), join(tree, 'wire/proto'), { recursive: true });
    copyFileSync(join(contracts, 'buf.yaml'), join(tree, 'wire/buf.yaml'));
  });

  test('a name in another style turns lint red', () => {
    write('wire/proto/tercet/v1/strange.proto', 'syntax = "proto3";\npackage tercet.v1;\nmessage strange_name {}\n');
    expect(status('lint', 'wire').stdout).toContain('should be PascalCase');
    rmSync(join(tree, 'wire/proto/tercet/v1/strange.proto'));
  });

  test('a field that others read and that is gone turns the wire red', () => {
    const against = ['--against', `${join(contracts, 'released.bin')}#format=binpb`];
    expect(status('breaking', 'wire', ...against).stdout).toBe('');
    const path = 'wire/proto/tercet/v1/common.proto';
    const kept = readFileSync(join(tree, path), 'utf8');
    write(path, kept.replace('  uint64 epoch = 5;\n', ''));
    expect(status('breaking', 'wire', ...against).stdout).toContain('"5" with name "epoch"');
  });
});

test('a package without its notice turns the notices red', () => {
  cpSync(join(root, 'scripts'), join(tree, 'scripts'), { recursive: true });
  for (const file of ['package.json', 'pnpm-workspace.yaml', 'pnpm-lock.yaml']) {
    copyFileSync(join(root, file), join(tree, file));
  }
  write('THIRD_PARTY_NOTICES.md', 'nothing\n');
  const checked = spawnSync(process.execPath, ['scripts/notices.mjs', '--check'], { cwd: tree, encoding: 'utf8' });
  expect([checked.status, checked.stderr]).toEqual([1, expect.stringContaining('THIRD_PARTY_NOTICES.md')]);
});

describe('lint and type rules', () => {
  const longFunction = `export function f(): void {\n${'  g();\n'.repeat(61)}}\nfunction g(): void {}\n`;
  const floating = 'async function f(): Promise<void> {}\n\nexport function g(): void {\n  f();\n}\n';
  const lint: [string, string, string][] = [
    ['noExplicitAny', 'any.ts', 'export const a: any = 1;\n'],
    ['noDefaultExport', 'default.ts', 'export default 1;\n'],
    ['noUnusedImports', 'unused.ts', "import { join } from 'node:path';\n\nexport const a = 1;\n"],
    ['noUnusedVariables', 'idle.ts', 'export function f(): void {\n  const a = 1;\n}\n'],
    ['useImportType', 'type.ts', "import { Stats } from 'node:fs';\n\nexport const f = (a: Stats) => a.size;\n"],
    ['useNodejsImportProtocol', 'node.ts', "import { join } from 'path';\n\nexport const a = join('b');\n"],
    ['noFloatingPromises', 'floating.ts', floating],
    ['noExcessiveLinesPerFunction', 'long.ts', longFunction],
    ['format', 'format.ts', 'export const a = "double";\n'],
  ];
  const types: [string, string, string][] = [
    ['TS2532|TS18048', 'index.ts', 'export const f = (a: string[]): number => a[0].length;\n'],
    ['TS2375', 'optional.ts', 'export const a: { b?: string } = { b: undefined };\n'],
    ['TS7006', 'implicit.ts', 'export const f = (a) => a;\n'],
  ];

  test('every lint rule turns red', () => {
    copyFileSync(join(root, 'biome.json'), join(tree, 'biome.json'));
    for (const [, file, text] of lint) write(`libs/lint/src/${file}`, text);
    const run = spawnSync(bin('biome'), ['check', '--max-diagnostics=200', 'libs/lint'], {
      cwd: tree,
      encoding: 'utf8',
    });
    const output = run.stdout + run.stderr;
    const missing = lint.filter(([rule, file]) => !new RegExp(`${file}\\S* (lint/\\w+/)?${rule}`).test(output));
    expect(missing.map(([rule]) => rule)).toEqual([]);
  });

  test('every type rule turns red', () => {
    for (const [, file, text] of types) write(`types/${file}`, text);
    const config = {
      extends: join(root, 'tsconfig.json'),
      compilerOptions: { types: [] },
      include: ['./*.ts'],
      exclude: [],
    };
    write('types/tsconfig.json', JSON.stringify(config));
    const run = spawnSync(bin('tsc'), ['-p', 'types'], { cwd: tree, encoding: 'utf8' });
    const missing = types.filter(([code, file]) => !new RegExp(`${file}.*(${code})`).test(run.stdout));
    expect(missing.map(([code]) => code)).toEqual([]);
  });
});

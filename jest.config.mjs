// One run over the whole workspace. Kinds of tests are told by their file name:
// *.test.ts needs nothing, *.model.test.ts loads weights, *.system.test.ts starts processes, ports or a browser.
// A package's own files are read as TypeScript. Other packages resolve to their `dist`, as threads and processes that a
// test starts resolve them: what is tested is what runs, and a build comes first.
const shared = {
  transform: { '^.+\\.ts$': ['@swc/jest', { swcrc: true }] },
  extensionsToTreatAsEsm: ['.ts'],
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
  modulePathIgnorePatterns: ['/dist/'],
  testPathIgnorePatterns: ['/node_modules/', '/dist/', '/testdata/'],
};

export default {
  projects: [
    { ...shared, displayName: 'unit', testMatch: ['**/!(*.model|*.system).test.ts'] },
    { ...shared, displayName: 'model', testMatch: ['**/*.model.test.ts'] },
    { ...shared, displayName: 'system', testMatch: ['**/*.system.test.ts'] },
  ],
  testTimeout: 60_000,
};

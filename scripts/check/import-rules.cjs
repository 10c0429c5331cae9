// Who may import whom: docs/architecture.md, "layers". dependency-cruiser reads this file.
// A rule without a fixture in test/rules that breaks it does not count.
const core = (names) => `^libs/core/(${names.join('|')})/`;
const frameworks = '(^|node_modules/)(@nestjs/|nice-grpc|@grpc/|kafkajs|@platformatic/kafka|@kubernetes/)';
const tests = '\\.test\\.ts$';

/** A core package may use itself and the ones named. */
function coreMayUse(name, allowed) {
  return {
    name: `core-order-${name}`,
    severity: 'error',
    comment: `${name} may use ${allowed.length === 0 ? 'no other core package' : allowed.join(', ')}`,
    from: { path: core([name]) },
    to: { path: '^libs/core/', pathNot: core([name, ...allowed]) },
  };
}

module.exports = {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    { name: 'resolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
    {
      name: 'packages-meet-at-index',
      severity: 'error',
      from: { path: '^(libs/(?:core/|adapters/)?[^/]+|services/[^/]+|cli|deploy/[^/]+|bench|web|test/[^/]+)/' },
      to: {
        path: '^(libs/(?:core/|adapters/)?[^/]+|services/[^/]+|cli|deploy/[^/]+|web)/src/(?!index\\.ts$)',
        pathNot: '^$1/',
      },
    },
    {
      name: 'base-stands-alone',
      severity: 'error',
      from: { path: '^libs/base/', pathNot: tests },
      to: { pathNot: '^libs/base/' },
    },
    {
      name: 'contracts-use-base-and-protobuf',
      severity: 'error',
      from: { path: '^libs/contracts/', pathNot: tests },
      to: { pathNot: '^libs/(base|contracts)/|node_modules/@bufbuild/' },
    },
    {
      name: 'core-does-no-io',
      severity: 'error',
      from: { path: '^libs/core/', pathNot: tests },
      to: { dependencyTypes: ['core'] },
    },
    { name: 'core-knows-no-framework', severity: 'error', from: { path: '^libs/core/' }, to: { path: frameworks } },
    {
      name: 'core-knows-no-outer-layer',
      severity: 'error',
      from: { path: '^libs/(base|contracts|core)/', pathNot: tests },
      to: { path: '^(libs/adapters|services|cli|bench|web)/' },
    },
    coreMayUse('media', []),
    coreMayUse('kv', []),
    coreMayUse('scheduler', ['kv']),
    coreMayUse('gguf', []),
    coreMayUse('text', ['gguf']),
    coreMayUse('engine', ['gguf', 'kv', 'scheduler']),
    coreMayUse('stage', ['engine', 'media']),
    coreMayUse('vector-index', []),
    coreMayUse('collection', []),
    coreMayUse('semantic-cache', ['vector-index']),
    coreMayUse('cost-model', []),
    coreMayUse('routing', ['cost-model']),
    coreMayUse('allocation', ['cost-model']),
    coreMayUse('controller', ['allocation', 'cost-model']),
    coreMayUse('event-log', []),
    coreMayUse('facts', []),
    coreMayUse('tenancy', []),
    coreMayUse('jobs', []),
    {
      name: 'adapter-knows-no-adapter',
      severity: 'error',
      from: { path: '^libs/adapters/([^/]+)/', pathNot: tests },
      to: { path: '^libs/adapters/', pathNot: '^libs/adapters/$1/' },
    },
    {
      name: 'adapter-knows-no-service',
      severity: 'error',
      from: { path: '^libs/' },
      to: { path: '^(services|cli|bench)/|(^|node_modules/)@nestjs/' },
    },
    {
      name: 'service-knows-no-service',
      severity: 'error',
      from: { path: '^services/([^/]+)/', pathNot: tests },
      to: { path: '^services/', pathNot: '^services/$1/' },
    },
    {
      name: 'nest-in-services-only',
      severity: 'error',
      from: { pathNot: '^services/' },
      to: { path: '(^|node_modules/)@nestjs/' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '(^|/)(dist|testdata|generated/google)/' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['tercet-source', 'import', 'node', 'default', 'types'],
      extensions: ['.ts', '.js', '.mjs', '.json'],
    },
  },
};

// How the image of the services runs; the Dockerfile says the same, and a test compares them.
export const serviceImage = {
  Entrypoint: ['/usr/bin/node', '--enable-source-maps', '/app/deploy/image/entry.mjs'],
  User: '65532',
  WorkingDir: '/app',
  Env: ['PATH=/usr/bin', 'NODE_ENV=production'],
};

// Tests against a real Kubernetes: `npm run test:cluster` starts one and runs them, one file after the other.
import shared from '../../jest.config.mjs';

const [{ displayName: _, testMatch: __, ...project }] = shared.projects;

export default {
  ...project,
  rootDir: '../..',
  testMatch: ['<rootDir>/test/cluster/src/*.cluster.ts'],
  testTimeout: 180_000,
};

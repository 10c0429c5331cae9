/** The cluster that `npm run test:cluster` started for these tests. */
export interface StartedCluster {
  readonly kubeconfig: string;
  /** Folder of its kit's state: a pid file for every machine. */
  readonly state: string;
  readonly kubectl: string;
  readonly helm: string;
  readonly nodes: number;
}

/** @throws when the tests run without it */
export function startedCluster(): StartedCluster {
  const { TERCET_TEST_CLUSTER: text } = process.env;
  if (text === undefined) throw new Error('these tests run by: npm run test:cluster');
  return JSON.parse(text) as StartedCluster;
}

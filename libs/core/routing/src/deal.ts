/** An encode pod, as far as it matters for the tiles of one request. */
export interface EncodePod {
  /** Requests that it works on: each counts as a tile that is in the way. */
  readonly requests: number;
}

/**
 * Which pod each tile goes to. A tile that a pod has cached goes there, as it costs nothing and waits for nobody: to
 * the least busy of those that have it. The others are dealt in runs of neighbours, because each run reads its image
 * once, and so that all pods are done at the same time as far as whole tiles allow.
 * @param homes for each tile the pods that have it
 * @returns for each tile the index of its pod
 */
export function dealTiles(homes: readonly (readonly number[])[], pods: readonly EncodePod[]): number[] {
  const dealt = homes.map((having) => leastBusy(having, pods));
  const shares = sharesOf(dealt.filter((home) => home === undefined).length, pods);
  let pod = 0;
  return dealt.map((home) => {
    if (home !== undefined) return home;
    while (shares[pod] === 0) pod++;
    shares[pod] = (shares[pod] as number) - 1;
    return pod;
  });
}

/** How many of so many tiles each pod encodes: one after the other to the pod that is done first. */
function sharesOf(tileCount: number, pods: readonly EncodePod[]): number[] {
  const shares = pods.map(() => 0);
  for (let tile = 0; tile < tileCount; tile++) {
    let first = 0;
    for (let pod = 1; pod < pods.length; pod++) {
      if (doneAfter(pod) < doneAfter(first)) first = pod;
    }
    shares[first] = (shares[first] as number) + 1;
  }
  return shares;

  function doneAfter(pod: number): number {
    return (pods[pod] as EncodePod).requests + (shares[pod] as number);
  }
}

function leastBusy(indexes: readonly number[], pods: readonly EncodePod[]): number | undefined {
  const requestsOf = (index: number) => pods[index]?.requests ?? 0;
  return indexes.toSorted((a, b) => requestsOf(a) - requestsOf(b) || a - b)[0];
}

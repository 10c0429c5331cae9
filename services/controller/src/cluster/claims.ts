/** A pool and the pods that its selector matches. */
export interface Claimant {
  readonly pool: string;
  readonly createdMs: number;
  readonly podNames: readonly string[];
}

export interface Claims {
  readonly owned: ReadonlySet<string>;
  /** Pods that an older pool has. */
  readonly contested: readonly { readonly pod: string; readonly owner: string }[];
}

/** Who owns which pod: the oldest pool that matches it, of equally old ones the first by name. */
export function claimsOf(claimants: readonly Claimant[]): ReadonlyMap<string, Claims> {
  const owners = new Map<string, string>();
  const claims = new Map<string, Claims>();
  const byAge = claimants.toSorted((a, b) => a.createdMs - b.createdMs || (a.pool < b.pool ? -1 : 1));
  for (const { pool, podNames } of byAge) {
    const contested = podNames.flatMap((pod) => {
      const owner = owners.get(pod);
      return owner === undefined ? [] : [{ pod, owner }];
    });
    const owned = podNames.filter((pod) => !owners.has(pod));
    for (const pod of owned) owners.set(pod, pool);
    claims.set(pool, { owned: new Set(owned), contested });
  }
  return claims;
}

/** Peers that this run must have: a suite that lacks one fails instead of being skipped. */
export const requiredPeers: ReadonlySet<string> = new Set(
  (process.env.TERCET_REQUIRE ?? '').split(',').filter((name) => name !== ''),
);

/** Where programs are looked for. */
export const searchPath: readonly string[] = (process.env.PATH ?? '').split(':');

/** What a program that a test starts may see. */
export const environment: Readonly<Record<string, string | undefined>> = process.env;

import { homedir } from 'node:os';
import { join } from 'node:path';

/** The one place where the command reads its environment. */
export const environment: Readonly<Record<string, string | undefined>> = process.env;

const { XDG_STATE_HOME, TERCET_STATE } = environment;

/** Where this machine's system keeps its sockets, logs and lock. */
export function stateFolder(): string {
  const base = XDG_STATE_HOME ?? join(homedir(), '.local', 'state');
  return TERCET_STATE ?? join(base, 'tercet');
}

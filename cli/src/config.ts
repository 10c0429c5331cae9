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

/** Keys, tenants, files and batches of the system that keeps its files in `folder`. */
export function controlStorePath(folder = stateFolder()): string {
  return join(folder, 'control.db');
}

/** The gateway that `chat` and `top` ask where `--url` is not given. */
export function defaultUrl(): string {
  return environment.TERCET_URL || 'http://127.0.0.1:8080';
}

/** Sent to the gateway as a bearer token. */
export function apiKey(): string | undefined {
  return environment.TERCET_API_KEY || undefined;
}

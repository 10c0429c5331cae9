/**
 * Stops the process on a bug: what must hold does not. Never caught; the supervisor restarts the process.
 * @param detail values that explain the failure; they appear in the message
 */
export function assert(condition: boolean, message: string, detail?: unknown): asserts condition {
  if (condition) return;
  throw new Error(`bug: ${message}${detail === undefined ? '' : ` (${JSON.stringify(detail, bigintAsText)})`}`);
}

/** Ends a `switch` over a union: compiles only when every member was handled. */
export function unreachable(value: never): never {
  throw new Error(`bug: unhandled case ${JSON.stringify(value, bigintAsText)}`);
}

function bigintAsText(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? value.toString() : value;
}

import { TercetError } from '@tercet/contracts';

/** Ids, sizes and times; never a prompt, an image or an answer. */
export type LogFields = Readonly<Record<string, unknown>>;

/**
 * One JSON line per decision or state change, to standard error. `error` means that a person must act.
 * Of a failure that is the client's, only the code is written: its message may quote what the client sent, and is for
 * the client to read.
 */
export interface Log {
  info(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
}

/** @param fixed fields that stand in every line: service, podId */
export function openLog(fixed: LogFields, write: (line: string) => void = writeLine): Log {
  const line = (level: string, event: string, fields: LogFields) =>
    write(JSON.stringify({ time: new Date().toISOString(), level, event, ...fixed, ...fields }, printable));
  return {
    info: (event, fields = {}) => line('info', event, fields),
    error: (event, fields = {}) => line('error', event, fields),
  };
}

function writeLine(line: string): void {
  process.stderr.write(`${line}\n`);
}

function printable(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString();
  if (value instanceof TercetError) {
    const isClients = value.httpStatus < 500;
    return isClients ? { code: value.code } : { code: value.code, message: value.message, ...causeOf(value) };
  }
  if (value instanceof Error) return { message: value.message, stack: value.stack };
  return value;
}

function causeOf({ cause }: Error): object {
  if (cause === undefined) return {};
  return { cause: cause instanceof Error ? cause.message : String(cause) };
}

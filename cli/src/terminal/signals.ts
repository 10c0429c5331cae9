/** Ctrl-C, or being told to end, as a signal that aborts; the process goes on until its work has stopped. */
export function interruption(): { readonly signal: AbortSignal } & Disposable {
  const abort = new AbortController();
  const stop = () => abort.abort();
  process.on('SIGINT', stop).on('SIGTERM', stop);
  return {
    signal: abort.signal,
    [Symbol.dispose]: () => void process.off('SIGINT', stop).off('SIGTERM', stop),
  };
}

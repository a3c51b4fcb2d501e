const longestMs = 1_000;

/** Pauses of a second and less, as before another try, are over at once while it is in use. */
export function shortPauses(): Disposable {
  const { setTimeout: real } = globalThis;
  const hurried = (run: () => void, ms = 0, ...args: []): unknown => real(run, ms <= longestMs ? 0 : ms, ...args);
  globalThis.setTimeout = hurried as typeof setTimeout;
  return {
    [Symbol.dispose]: () => {
      globalThis.setTimeout = real;
    },
  };
}

export interface Backoff {
  /** Pause after the first failure, ms. */
  readonly firstMs: number;
  /** Longest pause, ms. */
  readonly mostMs: number;
}

/** Doubles with each failure, then takes a random half off, so that many who lost the same relay don't come at once. */
export function backoffMs(failures: number, { firstMs, mostMs }: Backoff, random: () => number = Math.random): number {
  const pause = Math.min(mostMs, firstMs * 2 ** Math.min(failures - 1, 30));
  return pause * (0.5 + random() / 2);
}

/** Resolves after the pause, or at once when the signal aborts. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve();
      return;
    }
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done);
  });
}

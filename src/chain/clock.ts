import { maxTimerMs, onAbort } from '../signals/index.ts';
import { aborted } from './abort.ts';

/** Time as the chain room sees it; injected, so that a test can hold it. */
export interface Clock {
  /** Unix time, ms. */
  now(): number;
  /** Throws aborted where the signal fires first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      if (signal?.aborted === true) {
        reject(aborted(signal));
        return;
      }
      let timer: ReturnType<typeof setTimeout> | undefined;
      const wait = (leftMs: number): void => {
        const partMs = Math.min(leftMs, maxTimerMs);
        timer = setTimeout(() => {
          if (leftMs > partMs) {
            wait(leftMs - partMs);
            return;
          }
          off?.();
          resolve();
        }, partMs);
      };
      wait(ms);
      const off =
        signal &&
        onAbort(signal, () => {
          clearTimeout(timer);
          reject(aborted(signal));
        });
    }),
};

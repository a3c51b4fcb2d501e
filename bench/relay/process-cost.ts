import { setTimeout as sleep } from 'node:timers/promises';

/** ms of CPU since this process started, all threads. */
export function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}

/** Bytes of this process in memory, without what can be collected; needs --expose-gc. */
export async function residentBytes(): Promise<number> {
  for (let round = 0; round < 3; round++) {
    globalThis.gc?.();
    await sleep(200);
  }
  return process.memoryUsage.rss();
}

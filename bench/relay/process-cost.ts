import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** ms of CPU since this process started, all threads. */
export function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}

/**
 * Bytes of this process in memory, without what can be collected; needs --expose-gc. On Linux without what is mapped from
 * files, which the kernel takes back from a process that waits.
 */
export async function residentBytes(): Promise<number> {
  for (let round = 0; round < 3; round++) {
    globalThis.gc?.();
    await sleep(200);
  }
  return anonymousBytes() ?? process.memoryUsage.rss();
}

function anonymousBytes(): number | undefined {
  if (process.platform !== 'linux') return undefined;
  const kB = /^RssAnon:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
  return kB === undefined ? undefined : Number(kB) * 1_024;
}

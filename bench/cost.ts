import { readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** What an operation took of this process. */
export interface Cost {
  /** All threads, garbage collection and compilation included. */
  readonly cpuMs: number;
  readonly wallMs: number;
  /** Greatest resident memory on the way above that at the start. */
  readonly peakMb: number;
}

/** Runs once, as in a program that has just started: whatever has to be compiled counts. */
export async function costOf(operation: () => Promise<unknown>): Promise<Cost> {
  globalThis.gc?.();
  await sleep(50);
  resetPeak();
  const before = process.memoryUsage.rss();
  const cpu = process.cpuUsage();
  const start = performance.now();
  await operation();
  const wallMs = performance.now() - start;
  const { user, system } = process.cpuUsage(cpu);
  return { cpuMs: (user + system) / 1_000, wallMs, peakMb: (peak() - before) / 2 ** 20 };
}

/** Linux keeps the greatest resident size, and forgets it when told so. */
function resetPeak(): void {
  if (process.platform === 'linux') writeFileSync('/proc/self/clear_refs', '5');
}

/** Bytes. */
function peak(): number {
  if (process.platform !== 'linux') return process.resourceUsage().maxRSS * 1_024;
  const line = /VmHWM:\s+(\d+) kB/.exec(readFileSync('/proc/self/status', 'latin1'));
  return Number(line?.[1]) * 1_024;
}

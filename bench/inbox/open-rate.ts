import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Cost } from '../cost.ts';
import { rounded, type Result } from '../harness.ts';
import { compare, costOfVariant, resultOf } from './run-variant.ts';

const blocks = 2_000;
const messages = blocks;
const rounds = 3;
const warmUpRuns = 20;
const warmRuns = 7;

/** An inbox from bytes in memory to acknowledged deliveries, beside AES and LMDB alone. */
export async function openRate(): Promise<Result[]> {
  const folder = await mkdtemp(join(tmpdir(), 'khala-bench-'));
  try {
    const run = (name: string) => () =>
      costOfVariant(name, { url: '', folder, first: 1, last: blocks, messages }, warmUpRuns, warmRuns);
    const costs = await compare(rounds, run('opening'), run('aes-and-lmdb'));
    return [rateOf(costs, 'inbox/open-rate wall', 'wallMs'), rateOf(costs, 'inbox/open-rate CPU', 'cpuMs')];
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** A message, not all of them. */
function rateOf(costs: Parameters<typeof resultOf>[2], name: string, measure: keyof Cost): Result {
  const { ours, baseline, ratio } = resultOf(name, '', costs, measure);
  const each = (ms: number): number => rounded((ms * 1_000) / messages);
  return { name, ours: each(ours), baseline: each(baseline), ratio, unit: 'µs/message' };
}

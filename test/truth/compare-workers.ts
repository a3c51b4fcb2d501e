import { openWallet } from '../chain/support.ts';
import type { ChainProcess, EndSignal, Finality } from './chain-process.ts';
import type { Dice } from './dice.ts';
import { Population } from './population.ts';
import { WatchedWorkers } from './watched-workers.ts';

/** Until the watched table is that of a fresh look, once the chain is left alone. */
const settleMs = 120_000;
const standstillMs = 3_000;
const maxBatch = 40;
const maxTakenBack = 3;

/** What is done, in this order, in the first rounds. */
const kinds = ['fill', 'reorg', 'standStill', 'stop', 'kill'] as const;
/** With fewer something would not be done at all. */
export const leastRounds = kinds.length;

export interface CompareOptions {
  /** At least `leastRounds`. */
  readonly rounds: number;
  readonly dice: Dice;
  /** Called with each thing that is done. */
  readonly tell: (line: string) => void;
}

export interface Comparison {
  readonly finality: Finality;
  readonly lines: number;
  /** Empty: the same. */
  readonly differences: readonly string[];
}

/**
 * Leaves `workers --watch` running, one for each finality, while the chain is filled, reorged, stood still, stopped, killed and
 * started; then compares what each of them printed with a fresh `workers`.
 */
export async function compareWorkers(chain: ChainProcess, options: CompareOptions): Promise<Comparison[]> {
  const watches: WatchedWorkers[] = [];
  try {
    for (const finality of chain.finalities) watches.push(await WatchedWorkers.start(chain.ws, finality));
    await disturb(chain, watches, options);
    const results: Comparison[] = [];
    for (const watch of watches) {
      const differences = await settled(watch, () => chain.grow(1));
      results.push({ finality: watch.finality, lines: watch.lines, differences });
    }
    return results;
  } finally {
    for (const watch of watches) await watch[Symbol.asyncDispose]();
  }
}

async function disturb(
  chain: ChainProcess,
  watches: readonly WatchedWorkers[],
  { rounds, dice, tell }: CompareOptions,
): Promise<void> {
  let population: Population | undefined;
  const fill = async (): Promise<string> => {
    await using wallet = await openWallet(chain.ws);
    const { api, alice } = wallet;
    population ??= new Population(dice, api.genesisHash.toHex());
    const now = (await api.query.timestamp.now()).toBigInt();
    const calls = population.calls(api, 1 + dice.below(maxBatch), now);
    await wallet.post(api.tx.utility.forceBatch(calls), alice);
    return `filled with ${calls.length} calls`;
  };
  const reorg = async (): Promise<string> => {
    if (chain.reorg === undefined) return 'left alone: this chain makes no forks';
    const fills = 1 + dice.below(maxTakenBack);
    const best = watches.filter(({ finality }) => finality === 'best');
    await chain.reorg(async () => {
      for (let n = 0; n < fills; n += 1) await fill();
      // Only what was printed can be taken back.
      for (const watch of best) await mustSettle(watch);
    });
    // A chain that is shorter than before may be that of a node that is behind.
    await chain.grow(fills + 1);
    for (const watch of best) await mustSettle(watch, () => chain.grow(1));
    return `reorged: ${fills} fills were taken back`;
  };
  const standStill = async (): Promise<string> => {
    await chain.standStill(standstillMs);
    return `stood still for ${standstillMs / 1_000} s`;
  };
  const restart = (signal: EndSignal, how: string) => async (): Promise<string> => {
    await chain.restart(signal);
    return `${how} and started`;
  };
  const stop = restart('SIGTERM', 'stopped');
  const kill = restart('SIGKILL', 'killed');
  const deeds = { fill, reorg, standStill, stop, kill };
  // Each of them in the first rounds, then as the dice will have it; each is followed by more of the first.
  for (let round = 0; round < rounds; round += 1) {
    tell(await deeds[kinds[round] ?? dice.pick(kinds)]());
    tell(await fill());
    await chain.grow(2);
  }
}

async function mustSettle(watch: WatchedWorkers, meanwhile?: () => Promise<void>): Promise<void> {
  const differences = await settled(watch, meanwhile);
  if (differences.length > 0) throw new Error(`the watch is not what a fresh look shows: ${differences.join('; ')}`);
}

/** What is different once nothing is any more, or it took too long, or the watch has ended. */
async function settled(watch: WatchedWorkers, meanwhile?: () => Promise<void>): Promise<readonly string[]> {
  const deadline = Date.now() + settleMs;
  for (;;) {
    const differences = await watch.differences();
    if (watch.hasEnded) return [...differences, `it has ended: ${watch.log}`];
    if (differences.length === 0 || Date.now() > deadline) return differences;
    await meanwhile?.();
  }
}

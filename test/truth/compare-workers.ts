import { openWallet } from '../chain/support.ts';
import type { ChainProcess } from './chain-process.ts';
import type { Dice } from './dice.ts';
import { Population } from './population.ts';
import { WatchedWorkers } from './watched-workers.ts';

/** Until the watched table is that of a fresh look, once the chain is left alone. */
const settleMs = 120_000;
const standstillMs = 3_000;
const maxBatch = 40;

export interface CompareOptions {
  readonly rounds: number;
  readonly dice: Dice;
  /** Called with each thing that is done. */
  readonly tell: (line: string) => void;
}

export interface Comparison {
  readonly finality: string;
  readonly lines: number;
  /** Empty: the same. */
  readonly differences: readonly string[];
}

/**
 * Leaves `workers --watch` running while the chain is filled, reorged, stood still, stopped and started; then compares what
 * it printed with a fresh `workers`.
 */
export async function compareWorkers(
  chain: ChainProcess,
  { rounds, dice, tell }: CompareOptions,
): Promise<Comparison[]> {
  // A chain that begins anew has other finalized blocks: only best ones can be followed over that.
  const finalities = chain.keepsChain ? (['finalized', 'best'] as const) : (['best'] as const);
  const watched: WatchedWorkers[] = [];
  let population: Population | undefined;
  try {
    for (const finality of finalities) watched.push(await WatchedWorkers.start(chain.ws, finality));
    for (let round = 0; round < rounds; round++) {
      const fill = async (): Promise<string> => {
        await using wallet = await openWallet(chain.ws);
        const { api, alice } = wallet;
        population ??= new Population(dice, api.genesisHash.toHex());
        const now = (await api.query.timestamp.now()).toBigInt();
        const calls = population.calls(api, 1 + dice.below(maxBatch), now);
        await wallet.post(api.tx.utility.forceBatch(calls), alice);
        return `filled with ${calls.length} calls`;
      };
      const restart = async (): Promise<string> => {
        await chain.restart();
        return 'stopped and started';
      };
      const standStill = async (): Promise<string> => {
        await chain.standStill(standstillMs);
        return `stood still for ${standstillMs / 1_000} s`;
      };
      const reorg = async (): Promise<string> => {
        const blocks = 1 + dice.below(3);
        await chain.reorg?.(blocks);
        return chain.reorg === undefined ? 'left alone: this chain makes no forks' : `reorged by ${blocks}`;
      };
      // Each of them in the first rounds, then as the dice will have it; each is followed by more of the first.
      const deeds = [fill, reorg, restart, standStill];
      tell(await (round < deeds.length ? deeds[round] : dice.pick(deeds))!());
      tell(await fill());
      await chain.grow(2);
    }
    const results: Comparison[] = [];
    for (const watch of watched) {
      const deadline = Date.now() + settleMs;
      let differences = await watch.differences();
      while (differences.length > 0 && Date.now() < deadline) {
        await chain.grow(1);
        differences = await watch.differences();
      }
      const { finality, lines } = watch;
      results.push({ finality, lines, differences });
    }
    return results;
  } finally {
    for (const watch of watched) await watch[Symbol.asyncDispose]();
  }
}

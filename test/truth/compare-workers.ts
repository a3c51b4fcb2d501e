import { catalogue } from '../../src/errors/index.ts';
import { openWallet } from '../chain/support.ts';
import type { ChainProcess } from './chain-process.ts';
import type { Dice } from './dice.ts';
import { Population } from './population.ts';
import { WatchedWorkers } from './watched-workers.ts';

/** Until the watched table is that of a fresh look, once the chain is left alone, or a watch has ended. */
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
 * Leaves `workers --watch` running, of finalized and of best blocks, while the chain is filled, reorged, stood still, stopped
 * and started; then compares what it printed with a fresh `workers`. A chain that begins anew when it is started has other
 * finalized blocks: the watch of those is compared before that, must end with `chain-forked` after it, and is begun again.
 */
export async function compareWorkers(
  chain: ChainProcess,
  { rounds, dice, tell }: CompareOptions,
): Promise<Comparison[]> {
  const best = await WatchedWorkers.start(chain.ws, 'best');
  let finalized: WatchedWorkers | undefined;
  let population: Population | undefined;
  const results: Comparison[] = [];
  try {
    finalized = await WatchedWorkers.start(chain.ws, 'finalized');
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
        if (chain.keepsChain || finalized === undefined) await chain.restart();
        else {
          results.push(await compare(chain, finalized));
          await chain.restart();
          tell(await endOf(chain, finalized));
          finalized = await WatchedWorkers.start(chain.ws, 'finalized');
        }
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
    results.push(await compare(chain, finalized), await compare(chain, best));
    return results;
  } finally {
    await finalized?.[Symbol.asyncDispose]();
    await best[Symbol.asyncDispose]();
  }
}

async function compare(chain: ChainProcess, watch: WatchedWorkers): Promise<Comparison> {
  const deadline = Date.now() + settleMs;
  let differences = await watch.differences();
  while (differences.length > 0 && Date.now() < deadline) {
    await chain.grow(1);
    differences = await watch.differences();
  }
  const { finality, lines } = watch;
  return { finality, lines, differences };
}

/** Throws where the watch goes on over another chain, or ends in another way. */
async function endOf(chain: ChainProcess, watch: WatchedWorkers): Promise<string> {
  const deadline = Date.now() + settleMs;
  let code: number | null | undefined;
  void watch.exit.then((is) => (code = is));
  while (code === undefined) {
    if (Date.now() > deadline) throw new Error('the watch of finalized blocks goes on where others took their place');
    await chain.grow(1);
  }
  const expected = 'chain-forked';
  if (code !== 1 || !watch.log.includes(`[${expected}] ${catalogue[expected].remedy}`))
    throw new Error(`the watch of finalized blocks ended with exit code ${code}: ${watch.log}`);
  return `the watch of finalized blocks has ended with ${expected}, since the chain began anew`;
}

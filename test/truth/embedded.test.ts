import { startDevChain } from '../../src/dev-chain/index.ts';
import { startRpcProxy, type RpcProxy } from '../support/rpc-proxy.ts';
import { assertRun } from './assert-run.ts';
import { Dice } from './dice.ts';
import { reconcileBlocks, runAgainstTruth } from './run.ts';
import { reportRun, runSettings } from './settings.ts';

/** Blocks that a reorg may take. */
const finalityLag = 6;

describe('WorkerState against the truth', function () {
  const { seed, steps } = runSettings(18);
  this.timeout(120_000 + steps * 60_000);

  it(`is what the chain holds after ${steps} steps of faults, reorgs and upgrades (seed ${seed})`, async () => {
    const dice = new Dice(seed);
    await using dev = await startDevChain({ finalityLag, workers: 30 });
    await using one = await startRpcProxy(dev.ws);
    await using two = await startRpcProxy(dev.ws);
    await using three = await startRpcProxy(dev.ws);
    const proxies = [one, two, three];
    const reorg = async (): Promise<void> => {
      const { number } = dev.head;
      await dev.reorg(Math.max(dev.finalized.number, number - 1 - dice.below(5)), { resubmit: dice.chance(0.3) });
      await dev.newBlock({ count: 1 + dice.below(3) });
    };
    const run = (): Promise<unknown> => dev.newBlock({ count: 1 + dice.below(8) });
    const cut = (ways: readonly RpcProxy[]): Promise<void> => {
      for (const way of ways) way.cut();
      return Promise.resolve();
    };
    const prune = (): Promise<void> => {
      dev.pruneBefore(dev.finalized.number + 1);
      return Promise.resolve();
    };
    const mishaps = { reorgs: reorg, 'more reorgs': reorg, 'runs of blocks': run, cuts: cut, prunings: prune };
    const result = await runAgainstTruth(
      {
        ws: () => dev.ws,
        proxies,
        mishaps,
        settle: () => dev.newBlock({ count: finalityLag + reconcileBlocks + 1 }),
      },
      { dice, steps },
    );
    reportRun(seed, result);
    assertRun(result, steps);
  });
});

import { startDevChain } from '../../src/dev-chain/index.ts';
import { startRpcProxy } from '../support/rpc-proxy.ts';
import { until } from '../support/until.ts';
import { assertRun } from './assert-run.ts';
import { Dice } from './dice.ts';
import { reconcileBlocks, runAgainstTruth, seenReorgs, type Disturbed } from './run.ts';
import { reportRun, runSettings } from './settings.ts';

/** Blocks that a reorg may take. */
const finalityLag = 6;
/** Until a watch that follows has come back to a shorter chain, or none will, ms. */
const comeBackMs = 5_000;

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
    // What a watch shows of a block goes with it: for that it must have come to it, and come back before the chain is longer. Who
    // connects anew meanwhile does not: it takes the shorter chain for that of a node that is behind. Then once more.
    const seenReorg = async ({ join, untilBestShow, takenBack }: Disturbed): Promise<void> => {
      for (const before = takenBack(); takenBack() === before;) {
        await join();
        await untilBestShow(dev.head.hash);
        await dev.reorg(dev.head.number - 1);
        const deadline = Date.now() + comeBackMs;
        await until(() => takenBack() > before || Date.now() > deadline);
        await dev.newBlock({ count: 2 });
      }
    };
    const run = (): Promise<unknown> => dev.newBlock({ count: 1 + dice.below(8) });
    const cut = ({ ways }: Disturbed): Promise<void> => {
      for (const way of ways) way.cut();
      return Promise.resolve();
    };
    const prune = (): Promise<void> => {
      dev.pruneBefore(dev.finalized.number + 1);
      return Promise.resolve();
    };
    const mishaps = { reorgs: reorg, [seenReorgs]: seenReorg, 'runs of blocks': run, cuts: cut, prunings: prune };
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

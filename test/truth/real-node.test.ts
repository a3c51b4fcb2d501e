import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectChain } from '../../src/chain/index.ts';
import { describeRealNode, startRealNode, type RealNode } from '../support/real-node.ts';
import { startRpcProxy } from '../support/rpc-proxy.ts';
import { until } from '../support/until.ts';
import { assertRun } from './assert-run.ts';
import { Dice } from './dice.ts';
import { reconcileBlocks, runAgainstTruth, type Disturbed } from './run.ts';
import { reportRun, runSettings } from './settings.ts';

/** Blocks whose state is kept: a watch that is cut off for longer finds some of them gone. */
const statePruning = 12;
const blockTimeMs = 300;
const standstillMs = 1_500;

const pause = (ms: number): Promise<unknown> => new Promise((resolve) => setTimeout(resolve, ms));

describeRealNode('WorkerState against the truth', function () {
  const { seed, steps } = runSettings(16);
  this.timeout(300_000 + steps * 30_000);

  it(`is what the chain holds after ${steps} steps with crashes, standstills and pruning (seed ${seed})`, async () => {
    const dice = new Dice(seed);
    const basePath = await mkdtemp(join(tmpdir(), 'khala-truth-'));
    const options = { basePath, blockTimeMs, statePruning };
    let node: RealNode = await startRealNode(options);
    try {
      await using one = await startRpcProxy(node.ws);
      await using two = await startRpcProxy(node.ws);
      await using three = await startRpcProxy(node.ws);
      const proxies = [one, two, three];
      const crash = async (): Promise<void> => {
        await node.kill();
        node = await startRealNode({ ...options, port: node.port });
      };
      const standstill = async (): Promise<void> => {
        node.pause();
        await pause(standstillMs);
        node.resume();
      };
      const away = async ({ ways }: Disturbed): Promise<void> => {
        for (const way of ways) {
          way.isClosed = true;
          way.cut();
        }
        // Until the node has forgotten where the watches are.
        await using chain = await connectChain({ endpoints: [node.ws] });
        const { number } = await chain.bestHead();
        await until(async () => (await chain.bestHead()).number > number + statePruning + 5);
        for (const way of ways) way.isClosed = false;
      };
      const mishaps = { crashes: crash, standstills: standstill, absences: away };
      const result = await runAgainstTruth(
        {
          ws: () => node.ws,
          proxies,
          mishaps,
          // So slow from here on that no block that is compared goes away meanwhile.
          settle: async () => {
            await using chain = await connectChain({ endpoints: [node.ws] });
            const { number } = await chain.bestHead();
            await until(async () => (await chain.finalizedHead()).number > number + reconcileBlocks);
            await node.stop();
            node = await startRealNode({ ...options, port: node.port, blockTimeMs: 600_000 });
          },
        },
        { dice, steps },
      );
      reportRun(seed, result);
      assertRun(result, steps);
    } finally {
      await node.stop();
      await rm(basePath, { recursive: true, force: true });
    }
  });
});

import { startDevChain } from '../../src/dev-chain/index.ts';
import { NodeView } from './node-view.ts';
import type { SharedChain, SharedChainOptions, StartedChain } from './shared-chain.ts';

/** More blocks than any test makes. */
const never = 1_000_000;
/** How many blocks a rival is ahead. */
const lead = 40;
/** How far its clock is ahead, so that its blocks are others. */
const aheadMs = 7_200_000;

/** The embedded chain, which makes blocks for extrinsics and where it is told to. */
export async function startSharedDevChain(
  workers: SharedChain['workers'],
  { finalityLag = 0, isNeverFinal = false }: SharedChainOptions,
  now = Date.now,
): Promise<StartedChain> {
  const dev = await startDevChain({ workers: workers.length, finalityLag: isNeverFinal ? never : finalityLag, now });
  let view: Promise<NodeView> | undefined;
  return {
    ws: dev.ws,
    genesisHash: dev.genesisHash,
    workers,
    newest: (finality) => Promise.resolve(finality === 'best' ? dev.head : dev.finalized),
    hashAt: async (number) => (await (view ??= NodeView.open(dev.ws))).hashAt(number),
    grow: async (count = 1) => {
      await dev.newBlock({ count });
      return isNeverFinal ? dev.head : dev.finalized;
    },
    setStorage: async (entries) => {
      await dev.setStorage(entries);
      return dev.head;
    },
    startRival: async ({ isNeverFinal: isOpen = isNeverFinal, blocks = dev.head.number + lead } = {}) => {
      const options = { finalityLag, isNeverFinal: isOpen };
      const rival = await startSharedDevChain(workers, options, () => now() + aheadMs);
      await rival.grow(blocks - (await rival.newest('best')).number);
      return rival;
    },
    [Symbol.asyncDispose]: async () => {
      await (await view)?.[Symbol.asyncDispose]();
      await dev.stop();
    },
  };
}

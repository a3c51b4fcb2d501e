import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BlockId } from '../../src/chain/index.ts';
import { toHex, type Hex } from '../../src/codec/index.ts';
import { openWallet, type Wallet } from '../chain/support.ts';
import { writeSpecWithWorkers } from './genesis-spec.ts';
import { NodeView } from './node-view.ts';
import { startRealNode } from './real-node.ts';
import type { SharedChain, SharedChainOptions, StartedChain } from './shared-chain.ts';

/** Of the real node, which finalizes nothing where it seals a block for each extrinsic. */
const blockTimeMs = 100;
/** Of one that is to be ahead. */
const rivalBlockTimeMs = 25;
/** What only a rival has in its state: nodes with one genesis make the same empty blocks. */
const rivalKey = toHex(new TextEncoder().encode('rival'));
/** How many blocks a rival is ahead, at least. */
const lead = 5;

/** A real node. Unless it seals for each extrinsic it makes blocks by itself, whatever the tests do. */
export async function startSharedRealNode(
  workers: SharedChain['workers'],
  { isNeverFinal = false }: SharedChainOptions,
): Promise<StartedChain> {
  const folder = await mkdtemp(join(tmpdir(), 'khala-shared-'));
  const spec = join(folder, 'spec.json');
  await writeSpecWithWorkers(spec, workers);
  const chain = await startOn(spec, workers, isNeverFinal, blockTimeMs);
  return {
    ...chain,
    [Symbol.asyncDispose]: async () => {
      await chain[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function startOn(
  chainSpec: string,
  workers: SharedChain['workers'],
  isNeverFinal: boolean,
  blockTimeMs: number,
): Promise<StartedChain> {
  const node = await startRealNode({
    chainSpec,
    statePruning: 'archive',
    ...(isNeverFinal ? {} : { blockTimeMs }),
  });
  const view = await NodeView.open(node.ws);
  let opened: Promise<Wallet> | undefined;
  const wallet = (): Promise<Wallet> => (opened ??= openWallet(node.ws));
  const headerOf = async (hash: Hex): Promise<BlockId> => ({
    number: Number((await view.ask<{ readonly number: Hex }>('chain_getHeader', hash)).number),
    hash,
  });
  /** A block that no other chain has. */
  const sealOwn = async (): Promise<BlockId> => {
    const { api, alice, post } = await wallet();
    return headerOf(await post(api.tx.system.remark(node.ws), alice));
  };
  const grow = async (count = 1): Promise<BlockId> => {
    if (isNeverFinal) {
      for (let block = 0; block < count; block++) await sealOwn();
      return view.newest('best');
    }
    await view.finalizes((await view.newest()).number + count);
    return view.newest();
  };
  return {
    ws: node.ws,
    genesisHash: (await view.hashAt(0))!,
    workers,
    newest: (finality) => view.newest(finality),
    hashAt: (number) => view.hashAt(number),
    grow,
    setStorage: async (entries) => {
      const { api, alice, post } = await wallet();
      const { sudo, system, utility } = api.tx;
      const kept = entries.flatMap(([key, value]) => (value === null ? [] : [[key, value] as [Hex, Hex]]));
      const gone = entries.filter(([, value]) => value === null).map(([key]) => key);
      const calls = [system.setStorage(kept), system.killStorage(gone)];
      return headerOf(await post(sudo.sudo(utility.batchAll(calls)), alice));
    },
    startRival: async ({ isNeverFinal: isOpen = isNeverFinal, blocks } = {}) => {
      const rival = await startOn(chainSpec, workers, isOpen, rivalBlockTimeMs);
      if (isOpen) {
        await rival.grow(blocks ?? (await view.newest('best')).number + lead);
        return rival;
      }
      const { number } = await rival.setStorage([[rivalKey, '0x01']]);
      await view.finalizes(number);
      while ((await rival.newest()).number < (await view.newest()).number + lead) await rival.grow();
      return rival;
    },
    [Symbol.asyncDispose]: async () => {
      await (await opened)?.[Symbol.asyncDispose]();
      await view[Symbol.asyncDispose]();
      await node.stop();
    },
  };
}

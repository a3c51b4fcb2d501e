import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BlockId, Finality } from '../../src/chain/index.ts';
import type { Hex } from '../../src/codec/index.ts';
import { devWorker, startDevChain } from '../../src/dev-chain/index.ts';
import { openWallet } from '../chain/support.ts';
import { writeSpecWithWorkers, type GenesisWorker } from './genesis-spec.ts';
import { describeRealNode, startRealNode } from './real-node.ts';
import { until } from './until.ts';

/** Of the real node, which finalizes nothing where it seals a block for each extrinsic. */
const blockTimeMs = 100;
/** A node compiles its runtime before it listens, and waits for its turn on a busy machine. */
const nodeTimeoutMs = 120_000;

/** A chain that all tests of a suite share. */
export interface SharedChain {
  readonly ws: string;
  readonly genesisHash: Hex;
  /** Of its genesis, by their ids. */
  readonly workers: readonly GenesisWorker[];
  /** Default finalized. The real node may have gone on by then. */
  newest(finality?: Finality): Promise<BlockId>;
  /** Builds some blocks without anything that matters, or waits for them, and gives the newest finalized one. */
  grow(count?: number): Promise<BlockId>;
  /** Writes into the state without any event or call that tells of it by name; null deletes. Gives the block that did. */
  setStorage(entries: readonly (readonly [key: Hex, value: Hex | null])[]): Promise<BlockId>;
}

export interface SharedChainOptions {
  /** In its genesis. Default none. */
  readonly workers?: number;
  /** How many blocks the finalized head of the embedded chain is behind; at the real node each is final at once. Default 0. */
  readonly finalityLag?: number;
}

type StartedChain = SharedChain & AsyncDisposable;

/**
 * A suite on the embedded chain, and on a real node where `KHALA_RELAY_NODE` names one: skipped loudly elsewhere. `chain` is
 * there once the suite runs.
 */
export function describeOnChains(
  title: string,
  { workers: count = 0, finalityLag = 0 }: SharedChainOptions,
  suite: (chain: SharedChain) => void,
): void {
  const on = (start: (workers: SharedChain['workers']) => Promise<StartedChain>): void => {
    let started: StartedChain | undefined;
    const present = (): StartedChain => {
      if (started === undefined) throw new Error('the chain is there once the suite runs');
      return started;
    };
    before(async () => {
      const workers = await Promise.all(Array.from({ length: count }, (_, index) => devWorker(index)));
      started = await start(workers.sort((a, b) => (a.identity < b.identity ? -1 : 1)));
    });
    after(() => started?.[Symbol.asyncDispose]());
    suite({
      get ws() {
        return present().ws;
      },
      get genesisHash() {
        return present().genesisHash;
      },
      get workers() {
        return present().workers;
      },
      newest: (finality) => present().newest(finality),
      grow: (blocks) => present().grow(blocks),
      setStorage: (entries) => present().setStorage(entries),
    });
  };
  describe(title, () => on((workers) => startEmbedded(workers, finalityLag)));
  describeRealNode(title, function () {
    this.timeout(nodeTimeoutMs);
    on((workers) => startReal(workers));
  });
}

async function startEmbedded(workers: SharedChain['workers'], finalityLag: number): Promise<StartedChain> {
  const dev = await startDevChain({ workers: workers.length, finalityLag });
  return {
    ws: dev.ws,
    genesisHash: dev.genesisHash,
    workers,
    newest: (finality) => Promise.resolve(finality === 'best' ? dev.head : dev.finalized),
    grow: async (count = 1) => {
      await dev.newBlock({ count });
      return dev.finalized;
    },
    setStorage: async (entries) => {
      await dev.setStorage(entries);
      return dev.head;
    },
    [Symbol.asyncDispose]: () => dev.stop(),
  };
}

/** It makes blocks by itself, whatever the tests do. */
async function startReal(workers: SharedChain['workers']): Promise<StartedChain> {
  const folder = await mkdtemp(join(tmpdir(), 'khala-shared-'));
  const chainSpec = join(folder, 'spec.json');
  await writeSpecWithWorkers(chainSpec, workers);
  const node = await startRealNode({ chainSpec, statePruning: 'archive', blockTimeMs });
  const wallet = await openWallet(node.ws);
  const { chain } = wallet.api.rpc;
  const { sudo, system, utility } = wallet.api.tx;
  const headerOf = async (hash: Hex): Promise<BlockId> => ({
    number: (await chain.getHeader(hash)).number.toNumber(),
    hash,
  });
  const newest = async (): Promise<BlockId> => headerOf((await chain.getFinalizedHead()).toHex());
  return {
    ws: node.ws,
    genesisHash: wallet.api.genesisHash.toHex(),
    workers,
    newest,
    grow: async (count = 1) => {
      const wanted = (await newest()).number + count;
      return until(async () => {
        const last = await newest();
        return last.number >= wanted ? last : undefined;
      });
    },
    setStorage: async (entries) => {
      const kept = entries.flatMap(([key, value]) => (value === null ? [] : [[key, value] as [Hex, Hex]]));
      const gone = entries.filter(([, value]) => value === null).map(([key]) => key);
      const calls = [system.setStorage(kept), system.killStorage(gone)];
      return headerOf(await wallet.post(sudo.sudo(utility.batchAll(calls)), wallet.alice));
    },
    [Symbol.asyncDispose]: async () => {
      await wallet[Symbol.asyncDispose]();
      await node.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

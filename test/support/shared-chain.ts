import assert from 'node:assert/strict';
import type { BlockId, Finality } from '../../src/chain/index.ts';
import type { Hex } from '../../src/codec/index.ts';
import { devWorker } from '../../src/dev-chain/index.ts';
import type { GenesisWorker } from './genesis-spec.ts';
import { describeRealNode } from './real-node.ts';
import { startSharedDevChain } from './shared-dev-chain.ts';
import { startSharedRealNode } from './shared-real-node.ts';

/** A node compiles its runtime before it listens, and waits for its turn on a busy machine. */
const nodeTimeoutMs = 120_000;

/** A chain that all tests of a suite share. */
export interface SharedChain {
  readonly ws: string;
  readonly genesisHash: Hex;
  /** Of its genesis, by their ids. */
  readonly workers: readonly GenesisWorker[];
  /** Default finalized. The real node may have gone on by then, unless it seals for each extrinsic. */
  newest(finality?: Finality): Promise<BlockId>;
  /** null where the chain has no block of that number yet. */
  hashAt(number: number): Promise<Hex | null>;
  /**
   * Builds some blocks without anything that matters, or waits for them, and gives the newest finalized one; the newest
   * one where nothing becomes final.
   */
  grow(count?: number): Promise<BlockId>;
  /** Writes into the state without any event or call that tells of it by name; null deletes. Gives the block that did. */
  setStorage(entries: readonly (readonly [key: Hex, value: Hex | null])[]): Promise<BlockId>;
  /**
   * Another chain of the same genesis. Both have another block for each number from some number on, which both are past
   * by then.
   */
  startRival(options?: RivalOptions): Promise<StartedChain>;
}

export interface SharedChainOptions {
  /** In its genesis. Default none. */
  readonly workers?: number;
  /** How many blocks the finalized head of the embedded chain is behind; at the real node each is final at once. Default 0. */
  readonly finalityLag?: number;
  /**
   * No block becomes final, and none is made but for an extrinsic or by `grow`: so tests count blocks, on the real node
   * too. Default false.
   */
  readonly isNeverFinal?: boolean;
}

export interface RivalOptions {
  /** Default: as of this chain. */
  readonly isNeverFinal?: boolean;
  /** How many blocks it has by then, where none of them becomes final. Default: more than this chain, as where they do. */
  readonly blocks?: number;
}

export type StartedChain = SharedChain & AsyncDisposable;

/**
 * A suite on the embedded chain, and on a real node where `KHALA_RELAY_NODE` names one: skipped loudly elsewhere. `chain` is
 * there once the suite runs.
 */
export function describeOnChains(
  title: string,
  options: SharedChainOptions,
  suite: (chain: SharedChain) => void,
): void {
  const on = (start: typeof startSharedDevChain): void => {
    let started: StartedChain | undefined;
    const present = (): StartedChain => {
      if (started === undefined) throw new Error('the chain is there once the suite runs');
      return started;
    };
    before(async () => {
      const workers = await Promise.all(Array.from({ length: options.workers ?? 0 }, (_, index) => devWorker(index)));
      started = await start(
        workers.sort((a, b) => (a.identity < b.identity ? -1 : 1)),
        options,
      );
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
      hashAt: (number) => present().hashAt(number),
      grow: (blocks) => present().grow(blocks),
      setStorage: (entries) => present().setStorage(entries),
      startRival: (rival) => present().startRival(rival),
    });
  };
  describe(title, () => on(startSharedDevChain));
  describeRealNode(title, function () {
    this.timeout(nodeTimeoutMs);
    on(startSharedRealNode);
  });
}

/** That it is a block of the chain, and no older than one that was the newest before it was asked for. */
export async function assertNewest(chain: SharedChain, { number, hash }: BlockId, before: BlockId): Promise<void> {
  assert.equal(hash, await chain.hashAt(number));
  assert.ok(number >= before.number, `${number} is older than ${before.number}`);
}

import type { Hex } from '../codec/hex.ts';
import { RelayError } from '../errors/index.ts';
import { assemble } from './assemble.ts';
import type { BlockRef } from './block/block.ts';
import { BlockTimer } from './block-timer.ts';
import type { StorageDiff } from './executor/protocol.ts';
import type { NewBlockOptions, ReorgOptions } from './node.ts';
import { checkOptions, type DevChainOptions } from './options.ts';
import type { DevWorkers } from './workers/dev-workers.ts';

/** A running dev chain. */
export interface DevChain extends AsyncDisposable {
  /** Where any Substrate client connects to. */
  readonly ws: string;
  readonly genesisHash: Hex;
  /** The registered workers that were written into the genesis state. */
  readonly workers: DevWorkers;
  readonly head: BlockRef;
  readonly finalized: BlockRef;
  /** Builds a block (or several) of what waits in the pool. Gives the last. Throws store-failed where it can not be kept. */
  newBlock(options?: NewBlockOptions): Promise<BlockRef>;
  /**
   * Makes an earlier block, or one of another fork, the head; the blocks built on it get hashes of their own. Throws
   * dev-reorg-refused below the finalized block, store-failed.
   */
  reorg(toBlock: number | Hex, options?: ReorgOptions): Promise<BlockRef>;
  /** Moves the chain's clock on and builds a block at that time. Throws dev-time-backwards, dev-option-invalid, store-failed. */
  timeTravel(unixMs: number): Promise<BlockRef>;
  /** Drops the states of the blocks below that number, as a pruning node does. */
  pruneBefore(block: number): void;
  /** Breaks all connections. */
  cutSockets(): void;
  /** Keeps all connections, but neither reads nor sends anything until they are resumed. */
  pauseSockets(): void;
  resumeSockets(): void;
  /** Builds a block after which the state has these values; null removes a key. Throws dev-storage-invalid, store-failed. */
  setStorage(entries: StorageDiff): Promise<BlockRef>;
  stop(): Promise<void>;
}

/**
 * Starts a chain of its own with a WebSocket server in front. It is up, with block 1 built, or all blocks that `data` keeps,
 * when this resolves. Throws dev-option-invalid, dev-spec-unreadable, dev-spec-invalid, dev-runtime-invalid,
 * dev-workers-unsupported, dev-port-taken, dev-listen-failed, dev-engine-missing, dev-chain-stopped where the signal comes
 * first; of `data` locked, store-failed, dev-data-other-chain, dev-data-invalid.
 */
export async function startDevChain(options: DevChainOptions = {}): Promise<DevChain> {
  checkOptions(options);
  const { signal, logger, host = '127.0.0.1', blockTimeMs } = options;
  const checkSignal = (): void => {
    if (signal?.aborted === true) throw new RelayError('dev-chain-stopped');
  };
  checkSignal();
  const { node, server, workers, executor, failures, data } = await assemble(options, host);
  const build = async (): Promise<void> => {
    try {
      await node.newBlock();
    } catch (error) {
      if (!stopped) failures.failed(error);
    }
  };
  const timer = blockTimeMs === undefined ? undefined : new BlockTimer(blockTimeMs, build);
  let stopped = false;
  let stopping: Promise<void> | undefined;
  const halt = async (): Promise<void> => {
    stopped = true;
    signal?.removeEventListener('abort', onAbort);
    timer?.stop();
    await server.stop();
    await Promise.all([node.stop(), executor.stop()]);
    await data?.close();
  };
  const stop = (): Promise<void> => (stopping ??= halt());
  const onAbort = (): void => void stop();
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    checkSignal();
  } catch (error) {
    await stop();
    throw error;
  }
  timer?.start();
  const urlHost = host.includes(':') ? `[${host}]` : host;
  logger?.info({ host, port: server.port }, 'the dev chain listens');
  return {
    ws: `ws://${urlHost}:${server.port}`,
    genesisHash: node.blocks.genesis.hash,
    workers,
    get head() {
      return refOf(node.blocks.head);
    },
    get finalized() {
      return refOf(node.blocks.finalized);
    },
    newBlock: (newBlockOptions) => node.newBlock(newBlockOptions),
    reorg: (toBlock, reorgOptions) => node.reorg(toBlock, reorgOptions),
    timeTravel: (unixMs) => node.timeTravel(unixMs),
    pruneBefore: (block) => node.pruneBefore(block),
    cutSockets: () => server.cutSockets(),
    pauseSockets: () => server.pauseSockets(),
    resumeSockets: () => server.resumeSockets(),
    setStorage: (entries) => node.setStorage(entries),
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

function refOf({ hash, number }: BlockRef): BlockRef {
  return { hash, number };
}

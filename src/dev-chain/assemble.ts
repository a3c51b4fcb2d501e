import type { Hex } from '../codec/hex.ts';
import { asRelayError, RelayError } from '../errors/index.ts';
import { BlockBuilder } from './block/block-builder.ts';
import { BlockStore } from './block/block-store.ts';
import type { DevBlock } from './block/block.ts';
import { genesisBlock } from './block/genesis.ts';
import { BuildFailures } from './build-failures.ts';
import { loadChainSpec, type ChainSpec } from './chain-spec.ts';
import { ChainClock } from './clock.ts';
import type { ChainData } from './data/chain-data.ts';
import { restore } from './data/restore.ts';
import { Executor } from './executor/executor.ts';
import { Runtimes, type Runtime } from './executor/runtime.ts';
import type { Hashing } from './hashing.ts';
import { DevNode } from './node.ts';
import { DevServer } from './server.ts';
import type { DevChainOptions } from './options.ts';
import { ChainState } from './state/chain-state.ts';
import { createDevWorkers } from './workers/create-dev-workers.ts';
import type { DevWorkers } from './workers/dev-workers.ts';
import { workerEntries } from './workers/worker-entries.ts';

export interface Parts {
  readonly node: DevNode;
  readonly server: DevServer;
  readonly workers: DevWorkers;
  readonly executor: Executor;
  readonly failures: BuildFailures;
  /** Where it is kept. */
  readonly data: ChainData | undefined;
}

/** Builds all the parts of a dev chain, up to its blocks and the open port. What it started it stops where it fails. */
export async function assemble(options: DevChainOptions, host: string): Promise<Parts> {
  const { workers: count = 0, finalityLag = 0, now = Date.now, logger, signal } = options;
  const executor = new Executor();
  const data = options.data === undefined ? undefined : await openData(options.data);
  let isNew = false;
  try {
    const [spec, hashing] = await Promise.all([loadChainSpec(options.chainSpec), loadDependencies()]);
    // Keys are made while the runtime is read; should that fail, nobody waits for them.
    const makingWorkers = createDevWorkers(count);
    makingWorkers.catch(() => undefined);
    const runtimes = new Runtimes(executor);
    const bare = ChainState.from(spec.top, hashing);
    const runtime = await readRuntime(runtimes, bare, spec);
    const genesisOf = (registered: DevWorkers): DevBlock => {
      const state =
        registered.length === 0
          ? bare
          : ChainState.from([...spec.top, ...workerEntries(registered, runtime, hashing)], hashing);
      return genesisBlock(state, runtime, hashing);
    };
    const workers = await makingWorkers;
    const first = genesisOf(workers);
    const blocks = new BlockStore(first, finalityLag);
    const hashWith = async (others: number): Promise<Hex> => genesisOf(await createDevWorkers(others)).hash;
    const genesis = { hash: first.hash, workers: count, hashWith };
    const tip = data === undefined ? undefined : await restore(data, { genesis, blocks, runtimes, hashing, signal });
    isNew = tip === undefined;
    const failures = new BuildFailures(logger);
    const node = new DevNode({
      spec,
      hashing,
      runtimes,
      builder: new BlockBuilder(executor, runtimes, hashing),
      blocks,
      clock: new ChainClock(now, tip?.clockShiftMs),
      data,
      forks: tip?.forks ?? 0,
      instant: options.blockTimeMs === undefined,
      onFailure: (error) => failures.failed(error),
    });
    node.onHeadChanged(() => failures.built());
    // Genesis has no time; a client that asks the chain for it must not be told 1970.
    if (blocks.head.number === 0) await node.newBlock();
    const server = await DevServer.start(node, { host, port: options.port ?? 0 });
    return { node, server, workers, executor, failures, data };
  } catch (error) {
    await executor.stop();
    // No client has seen a chain that did not start.
    if (isNew) await data?.clear().catch(() => undefined);
    await data?.close();
    throw error;
  }
}

/** Whoever keeps nothing loads no store. */
async function openData(path: string): Promise<ChainData> {
  const { ChainData } = await import('./data/chain-data.ts');
  return ChainData.open(path);
}

async function loadDependencies(): Promise<Hashing> {
  try {
    const { loadHashing } = await import('./hashing.ts');
    return await loadHashing();
  } catch (error) {
    throw asRelayError(error, 'dev-engine-missing');
  }
}

async function readRuntime(runtimes: Runtimes, state: ChainState, spec: ChainSpec): Promise<Runtime> {
  try {
    return await runtimes.of(state);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new RelayError('dev-runtime-invalid', { details: { spec: spec.origin, reason }, cause: error });
  }
}

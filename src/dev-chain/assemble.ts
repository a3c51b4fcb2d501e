import { asRelayError, isRelayError, RelayError } from '../errors/index.ts';
import { BlockBuilder } from './block/block-builder.ts';
import { BlockStore } from './block/block-store.ts';
import { genesisBlock } from './block/genesis.ts';
import { loadChainSpec, type ChainSpec } from './chain-spec.ts';
import { ChainClock } from './clock.ts';
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
}

/** Builds all the parts of a dev chain, up to block 1 and the open port. What it started it stops where it fails. */
export async function assemble(options: DevChainOptions, host: string): Promise<Parts> {
  const { workers: count = 0, finalityLag = 0, now = Date.now, logger } = options;
  const executor = new Executor();
  try {
    const [spec, hashing] = await Promise.all([loadChainSpec(options.chainSpec), loadDependencies()]);
    // Keys are made while the runtime is read; should that fail, nobody waits for them.
    const makingWorkers = createDevWorkers(count);
    makingWorkers.catch(() => undefined);
    const runtimes = new Runtimes(executor);
    const bare = ChainState.from(spec.top, hashing);
    const runtime = await readRuntime(runtimes, bare, spec);
    const workers = await makingWorkers;
    const state =
      count === 0 ? bare : ChainState.from([...spec.top, ...workerEntries(workers, runtime, hashing)], hashing);
    const node = new DevNode({
      spec,
      hashing,
      runtimes,
      builder: new BlockBuilder(executor, runtimes, hashing),
      blocks: new BlockStore(genesisBlock(state, runtime, hashing), finalityLag),
      clock: new ChainClock(now),
      instant: options.blockTimeMs === undefined,
      onFailure: (error) => {
        if (!isRelayError(error, 'dev-chain-stopped')) logger?.error({ error }, 'a block could not be built');
      },
    });
    // Genesis has no time; a client that asks the chain for it must not be told 1970.
    await node.newBlock();
    const server = await DevServer.start(node, { host, port: options.port ?? 0 });
    return { node, server, workers, executor };
  } catch (error) {
    await executor.stop();
    throw error;
  }
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

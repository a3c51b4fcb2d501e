import { hashHeader, parseHeader } from '../../src/chain/head/header.ts';
import { RunningCli } from '../cli/run-cli.ts';
import { openWallet } from '../chain/support.ts';
import { RawClient } from '../dev-chain/support.ts';
import { ForkingNode } from '../support/forking-node.ts';
import { freePort } from '../support/free-port.ts';
import { startRealNode, type RealNode } from '../support/real-node.ts';

/** How a process is ended: asked to, or killed. */
export type EndSignal = 'SIGTERM' | 'SIGKILL';

export type Finality = 'finalized' | 'best';

/** A chain in a process of its own, to be stopped, killed, started, stood still and reorged. It goes on where it stood. */
export interface ChainProcess extends AsyncDisposable {
  /** The same over restarts. */
  readonly ws: string;
  /** Of which blocks there are new ones. */
  readonly finalities: readonly Finality[];
  restart(signal: EndSignal): Promise<void>;
  standStill(ms: number): Promise<void>;
  /** Takes the blocks back that `deed` made; undefined where the chain can't. */
  readonly reorg: ((deed: () => Promise<void>) => Promise<void>) | undefined;
  /** Builds some blocks, or waits for them. */
  grow(blocks: number): Promise<void>;
}

/** Blocks that it is told to build when it is killed: so many that it is not done. */
const blocksWhenKilled = 200;

const pause = (ms: number): Promise<unknown> => new Promise((resolve) => setTimeout(resolve, ms));

/** `khala-relay dev`, kept in a folder. */
export async function startDevProcess(folder: string, finalityLag: number): Promise<ChainProcess> {
  const launch = async (port: number): Promise<{ cli: RunningCli; ws: string }> => {
    const cli = new RunningCli([
      ...['dev', '--port', String(port), '--data', folder],
      ...['--finality-lag', String(finalityLag), '--workers', '5'],
    ]);
    const { ws } = await cli.line(({ event }) => event === 'ready');
    return { cli, ws: String(ws) };
  };
  let { cli, ws } = await launch(await freePort());
  /** Kills it while it builds; gives the header of a block that it told of. */
  const kill = async (): Promise<unknown> => {
    using client = await RawClient.open(ws);
    const heads = await client.result<string>('chain_subscribeNewHeads');
    await client.next(heads);
    // Nothing answers it.
    void client.ask('dev_newBlock', { count: blocksWhenKilled });
    const told = await client.next(heads);
    await cli.end('SIGKILL');
    return told;
  };
  const mustHave = async (told: unknown): Promise<void> => {
    using client = await RawClient.open(ws);
    const header = parseHeader(told);
    const found = await client.result<string | null>('chain_getBlockHash', header.number);
    if (found !== hashHeader(header))
      throw new Error(`block ${header.number}, which it told of, is not there any more`);
  };
  return {
    ws,
    finalities: ['finalized', 'best'],
    restart: async (signal) => {
      let told: unknown;
      if (signal === 'SIGKILL') told = await kill();
      else await cli.end(signal);
      ({ cli, ws } = await launch(Number(new URL(ws).port)));
      if (told !== undefined) await mustHave(told);
    },
    standStill: async (ms) => {
      cli.signal('SIGSTOP');
      await pause(ms);
      cli.signal('SIGCONT');
    },
    reorg: async (deed) => {
      using client = await RawClient.open(ws);
      const hash = await client.result<string>('chain_getBlockHash');
      await deed();
      await client.result('dev_setHead', hash);
    },
    grow: async (count) => {
      using client = await RawClient.open(ws);
      await client.result('dev_newBlock', { count });
    },
    [Symbol.asyncDispose]: () => cli[Symbol.asyncDispose](),
  };
}

/** polkadot-omni-node with a base path; it makes no forks, since each block is final at once. */
export async function startNodeProcess(basePath: string, blockTimeMs: number): Promise<ChainProcess> {
  let node: RealNode = await startRealNode({ basePath, blockTimeMs });
  const { ws, port } = node;
  return {
    ws,
    finalities: ['finalized', 'best'],
    restart: async (signal) => {
      await (signal === 'SIGTERM' ? node.stop() : node.kill());
      node = await startRealNode({ basePath, blockTimeMs, port });
    },
    standStill: async (ms) => {
      node.pause();
      await pause(ms);
      node.resume();
    },
    reorg: undefined,
    grow: async (blocks) => {
      await pause(blocks * blockTimeMs);
    },
    [Symbol.asyncDispose]: () => node.stop(),
  };
}

/** polkadot-omni-node that finalizes nothing: its blocks are taken back by what it had stored before them. */
export async function startForkingProcess(): Promise<ChainProcess> {
  const node = await ForkingNode.start();
  const { ws } = node;
  const grow = async (blocks: number): Promise<void> => {
    await using wallet = await openWallet(ws);
    for (let n = 0; n < blocks; n += 1) await wallet.post(wallet.api.tx.system.remark('0x'), wallet.alice);
  };
  // Genesis has no time, by which endpoints are signed.
  await grow(1);
  return {
    ws,
    finalities: ['best'],
    restart: (signal) => node.restart(signal),
    standStill: async (ms) => {
      node.pause();
      await pause(ms);
      node.resume();
    },
    reorg: async (deed) => {
      await node.keep();
      await deed();
      await node.goBack();
    },
    grow,
    [Symbol.asyncDispose]: () => node[Symbol.asyncDispose](),
  };
}

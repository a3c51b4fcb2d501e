import { WsProvider } from '@polkadot/api';
import { RunningCli } from '../cli/run-cli.ts';
import { startRealNode, type RealNode } from '../support/real-node.ts';

/** A chain in a process of its own, to be stopped, started, stood still and reorged. */
export interface ChainProcess extends AsyncDisposable {
  /** The same over restarts. */
  readonly ws: string;
  /** Whether what was finalized is there again after a restart. */
  readonly keepsChain: boolean;
  restart(): Promise<void>;
  standStill(ms: number): Promise<void>;
  /** Takes blocks back and builds others; undefined where the chain can't. */
  readonly reorg: ((blocks: number) => Promise<void>) | undefined;
  /** Builds some blocks, or waits for them. */
  grow(blocks: number): Promise<void>;
}

const pause = (ms: number): Promise<unknown> => new Promise((resolve) => setTimeout(resolve, ms));

/** `khala-relay dev`. It begins anew with each start. */
export async function startDevProcess(finalityLag: number): Promise<ChainProcess> {
  let { cli, ws } = await launch(0, finalityLag);
  const send = async (method: string, params: unknown[]): Promise<void> => {
    const provider = new WsProvider(ws);
    await provider.isReady;
    await provider.send(method, params);
    await provider.disconnect();
  };
  return {
    ws,
    keepsChain: false,
    restart: async () => {
      await cli.end('SIGTERM');
      ({ cli, ws } = await launch(Number(new URL(ws).port), finalityLag));
    },
    standStill: async (ms) => {
      cli.signal('SIGSTOP');
      await pause(ms);
      cli.signal('SIGCONT');
    },
    reorg: async (blocks) => {
      await send('dev_setHead', [-blocks]);
      await send('dev_newBlock', [{ count: blocks + 1 }]);
    },
    grow: (count) => send('dev_newBlock', [{ count }]),
    [Symbol.asyncDispose]: () => cli[Symbol.asyncDispose](),
  };
}

async function launch(port: number, finalityLag: number): Promise<{ cli: RunningCli; ws: string }> {
  const cli = new RunningCli(['dev', '--port', String(port), '--finality-lag', String(finalityLag), '--workers', '5']);
  const { ws } = await cli.line(({ event }) => event === 'ready');
  return { cli, ws: String(ws) };
}

/** polkadot-omni-node with a base path, which keeps the chain; it makes no forks. */
export async function startNodeProcess(basePath: string, blockTimeMs: number): Promise<ChainProcess> {
  let node: RealNode = await startRealNode({ basePath, blockTimeMs });
  const { ws, port } = node;
  return {
    ws,
    keepsChain: true,
    restart: async () => {
      await node.stop();
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

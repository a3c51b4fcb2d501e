import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from './free-port.ts';

/** Path of a polkadot-omni-node; suites that need one are skipped without it. */
export const realNodeBinary = process.env['KHALA_RELAY_NODE'];

const devSpec = fileURLToPath(new URL('../../runtime/artifacts/khala-dev.spec.json', import.meta.url));
/** Until a node that lives is taken not to come to listen: it compiles the runtime first, which may take minutes under load. */
const startTimeoutMs = 600_000;
/** Until a node that was asked to end is killed. */
const endTimeoutMs = 10_000;

export interface RealNodeOptions {
  /** A block every so many ms. Default: a block for each extrinsic, at once. */
  readonly blockTimeMs?: number;
  /** Default: the dev runtime's. */
  readonly chainSpec?: string;
  /** Blocks whose state is kept. Default: the node's own, 256. */
  readonly statePruning?: number | 'archive';
  /** Keeps the chain over a restart; the caller's to remove. Default: a folder that goes with the node. */
  readonly basePath?: string;
  /** Default: any free one. Give that of `ws` to come back on the same address. */
  readonly port?: number;
  /** Hides unsafe RPCs, as public nodes do. */
  readonly safeRpcOnly?: boolean;
  readonly args?: readonly string[];
}

export interface RealNode extends AsyncDisposable {
  readonly ws: string;
  readonly port: number;
  /** Lets the node end by itself. Idempotent. */
  stop(): Promise<void>;
  /** As a crash does. Idempotent. */
  kill(): Promise<void>;
  /** The process stands still: sockets stay open and nothing answers. */
  pause(): void;
  resume(): void;
}

/** A suite against the real node; without `KHALA_RELAY_NODE` it is skipped and says so. */
export function describeRealNode(title: string, suite: (this: Mocha.Suite) => void): void {
  if (realNodeBinary !== undefined) {
    describe(`${title} (real node)`, suite);
    return;
  }
  describe.skip(`${title} (real node)`, suite);
  process.stderr.write(
    `SKIPPED: ${title}: needs a real node. cargo install polkadot-omni-node --version 0.24.0 --locked, ` +
      'then run with KHALA_RELAY_NODE=path/to/polkadot-omni-node\n',
  );
}

/** For a suite: one node for all its tests, which is there once the suite runs. A start takes seconds of CPU. */
export function useRealNode(options: RealNodeOptions = {}): Pick<RealNode, 'ws' | 'pause' | 'resume'> {
  let started: RealNode | undefined;
  const present = (): RealNode => {
    if (started === undefined) throw new Error('the node is there once the suite runs');
    return started;
  };
  before(async () => {
    started = await startRealNode(options);
  });
  after(() => started?.stop());
  return {
    get ws() {
      return present().ws;
    },
    pause: () => present().pause(),
    resume: () => present().resume(),
  };
}

export async function startRealNode(options: RealNodeOptions = {}): Promise<RealNode> {
  if (realNodeBinary === undefined) throw new Error('KHALA_RELAY_NODE names no polkadot-omni-node');
  const basePath = options.basePath ?? (await mkdtemp(join(tmpdir(), 'khala-node-')));
  const child = spawn(realNodeBinary, nodeArguments({ port: await freePort(), ...options }, basePath), {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const exited = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGCONT');
      child.kill(signal);
      const timer = setTimeout(() => child.kill('SIGKILL'), endTimeoutMs);
      await exited;
      clearTimeout(timer);
    }
    if (options.basePath === undefined) await rm(basePath, { recursive: true, force: true });
  };
  const onExit = (): void => void child.kill('SIGKILL');
  process.once('exit', onExit);
  void exited.then(() => process.off('exit', onExit));

  let port: number;
  try {
    port = await listeningPort(child);
  } catch (error) {
    await end('SIGKILL');
    throw error;
  }
  const stop = (): Promise<void> => end('SIGTERM');
  return {
    ws: `ws://127.0.0.1:${port}`,
    port,
    stop,
    kill: () => end('SIGKILL'),
    pause: () => void child.kill('SIGSTOP'),
    resume: () => void child.kill('SIGCONT'),
    [Symbol.asyncDispose]: stop,
  };
}

function nodeArguments(options: RealNodeOptions & { readonly port: number }, basePath: string): string[] {
  const { blockTimeMs, chainSpec = devSpec, statePruning, port, safeRpcOnly = false, args = [] } = options;
  return [
    ...['--chain', chainSpec, '--base-path', basePath, '--rpc-port', String(port), '--port', '0'],
    ...(blockTimeMs === undefined ? ['--instant-seal'] : ['--dev-block-time', String(blockTimeMs)]),
    ...(statePruning === undefined ? [] : ['--state-pruning', String(statePruning)]),
    ...[
      '--rpc-methods',
      safeRpcOnly ? 'safe' : 'unsafe',
      '--rpc-cors',
      'all',
      '--no-prometheus',
      '--no-telemetry',
      '--no-mdns',
    ],
    ...args,
  ];
}

/** The node logs to stderr; what it says before it listens explains why it does not. */
function listeningPort(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    let log = '';
    const fail = (why: string): void => reject(new Error(`the node ${why}:\n${log.slice(-2_000)}`));
    const timer = setTimeout(() => fail(`does not listen within ${startTimeoutMs} ms`), startTimeoutMs);
    child.once('error', reject);
    child.once('close', () => {
      clearTimeout(timer);
      fail('ended');
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      // Read on for ever, or the pipe fills and the node stands still.
      if (log.length < 100_000) log += text;
      const [, found] = /JSON-RPC server: addr=[^\s,]*?:(\d+)/.exec(log) ?? [];
      if (found === undefined) return;
      clearTimeout(timer);
      resolve(Number(found));
    });
  });
}

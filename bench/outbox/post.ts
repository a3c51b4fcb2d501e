import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { startDevChain } from '../../src/dev-chain/index.ts';
import { startRealNode } from '../../test/support/real-node.ts';
import type { Cost } from '../cost.ts';
import { median, rounded, type Result } from '../harness.ts';

/** What a process of the bench tells. */
export interface Posted extends Cost {
  readonly blocks: number;
  readonly extrinsics: number;
  readonly leastBlocks: number;
}

const messages = 1_000;
const messageBytes = 16 * 1024;
const rounds = 3;
const blockTimeMs = 4_000;

/**
 * Ours: 1 000 messages of 16 KiB, from a full queue until all are in blocks; sealing, disk, sockets and looking into blocks
 * included. Baseline: the same batches built and signed with @polkadot/api, and neither sealed nor posted. A real node where
 * KHALA_RELAY_NODE names one, else the embedded chain, in either case in a process of its own.
 */
export async function post(): Promise<Result[]> {
  const ours: Posted[] = [];
  const theirs: Cost[] = [];
  for (let round = 0; round < rounds; round++) {
    await using node = await startNode();
    const posted = await run<Posted>('outbox-process.ts', node.ws);
    ours.push(posted);
    theirs.push(await run('api-process.ts', node.ws, posted.extrinsics));
  }
  const perMessage = ({ cpuMs }: Cost): number => (cpuMs * 1_000) / messages;
  const compared = (name: string, unit: string, mine: number[], other: number[]): Result => ({
    name: `outbox/post${name}`,
    ours: rounded(median(mine)),
    baseline: rounded(median(other)),
    ratio: rounded(median(mine.map((value, i) => value / (other[i] ?? Number.NaN)))),
    unit,
  });
  const least = ours.map(({ leastBlocks }) => leastBlocks);
  return [
    compared(
      '-blocks',
      'blocks',
      ours.map(({ blocks }) => blocks),
      least,
    ),
    compared(
      '-extrinsics',
      'extrinsics',
      ours.map(({ extrinsics }) => extrinsics),
      least,
    ),
    compared('-cpu', 'µs CPU/message', ours.map(perMessage), theirs.map(perMessage)),
  ];
}

async function startNode(): Promise<AsyncDisposable & { readonly ws: string }> {
  return process.env['KHALA_RELAY_NODE'] === undefined
    ? startDevChain({ blockTimeMs })
    : startRealNode({ blockTimeMs });
}

async function run<T>(script: string, ws: string, ...rest: readonly number[]): Promise<T> {
  const path = fileURLToPath(new URL(script, import.meta.url));
  const args = ['--expose-gc', '--import', 'tsx', path, ws, messages, messageBytes, ...rest].map(String);
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (part: string) => (text += part));
  await once(child, 'close');
  if (child.exitCode !== 0) throw new Error(`${script} ended with ${String(child.exitCode)}`);
  return JSON.parse(text) as T;
}

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { devWorkers } from './worker-state/dev-workers.ts';
import { median, rounded, type Comparison, type Result } from './harness.ts';
import { startReplay, type Replay } from './replay/start-replay.ts';
import { runVariant, type VariantResult } from './worker-state/run-variant.ts';
import type { Task } from './worker-state/variants.ts';
import { writeSpecWithWorkers } from '../test/support/genesis-spec.ts';
import { realNodeBinary, startRealNode } from '../test/support/real-node.ts';

const workers = 50_000;
const rounds = 5;
/** Of what takes seconds: `entries()` some 10 s of CPU, and every signature of 50 000 verified. */
const slowRounds = 2;
const quietBlocks = 200;
const runInBlocks = 800;
/** By then little is left to be compiled: what a process that follows a chain for months pays. */
const lateBlocks = 3_000;
const busyBlocks = 10;
const changedWorkers = 100;
/** A map of a tenth: what 100 changes cost must not depend on it. */
const fewWorkers = 5_000;

export const room = 'worker-state';

export function benches(): Promise<Comparison[]> {
  return Promise.resolve([
    { name: 'worker-state/snapshot', run: snapshot },
    { name: 'worker-state/records', run: snapshotRecords },
    { name: 'worker-state/heap', run: heap },
    { name: 'worker-state/live', run: live },
    { name: 'worker-state/restart', run: restart },
    { name: 'worker-state/verified-snapshot', run: verifiedSnapshot },
  ]);
}

/** Both maps at one block, as rows, against throwing the bytes away, and against decoding them all. */
async function snapshot(): Promise<Result[]> {
  await using replay = await startReplay({ workers });
  const task = taskOf(replay);
  await rehearse(['raw', 'plain', 'entries'], task);
  const fast = await alternate(['plain', 'raw'], task, rounds);
  const slow = await alternate(['plain', 'entries'], task, slowRounds);
  return [
    compare('worker-state/snapshot', slow, 'cpuMs', 'ms CPU'),
    compare('worker-state/snapshot/memory', slow, 'peakMb', 'MB'),
    compare('worker-state/snapshot/raw', fast, 'cpuMs', 'ms CPU'),
  ];
}

/** The same with an ECDH record for each worker. */
async function snapshotRecords(): Promise<Result[]> {
  await using replay = await startReplay({ workers, hasRecords: true });
  const task = taskOf(replay);
  await rehearse(['raw', 'plain'], task);
  const untilReady = await alternate(['plain', 'raw'], task, rounds);
  const untilVerified = await alternate(['plain-verified', 'plain'], task, slowRounds);
  return [
    compare('worker-state/records', untilReady, 'cpuMs', 'ms CPU'),
    compare('worker-state/records/verified', untilVerified, 'cpuMs', 'ms CPU'),
  ];
}

/** What a cached worker takes: read as the node gives it or proven, without and with an ECDH record that was verified. */
async function heap(): Promise<Result[]> {
  const held = async (name: string, pair: Pair, hasRecords: boolean): Promise<Result> => {
    await using replay = await startReplay({ workers, hasRecords });
    const task = taskOf(replay);
    await rehearse(pair, task);
    const pairs = await alternate(pair, task, slowRounds);
    const perWorker = pairs.map((pair) =>
      pair.map((cost) => ({ ...cost, heldBytes: (cost.heldBytes ?? 0) / workers })),
    );
    return compare(name, perWorker, 'heldBytes', 'bytes/worker');
  };
  return [
    await held('worker-state/heap', ['plain', 'entries'], false),
    await held('worker-state/heap/proven', ['proven', 'plain'], false),
    await held('worker-state/heap/records', ['proven-verified', 'plain'], true),
  ];
}

/** CPU of one finalized block. `runIn`: blocks that both sides follow before, in which most of what they run is compiled. */
async function live(): Promise<Result[]> {
  const of = async (
    replay: Replay,
    pair: Pair,
    first: number,
    blocks: number,
    runIn = 0,
  ): Promise<VariantResult[][]> => {
    const from = first + runIn;
    const task = { ...taskOf(replay), from: first, to: from + blocks, counted: from + 1 };
    await rehearse(pair, task);
    const pairs = await alternate(pair, task, rounds);
    return pairs.map((each) => each.map((cost) => ({ ...cost, cpuMs: (cost.cpuMs * 1_000) / blocks })));
  };
  const busy = Array.from({ length: busyBlocks }, () => changedWorkers);
  await using replay = await startReplay({ workers, quiet: lateBlocks + quietBlocks, busy });
  const { first } = replay;
  const quiet = async (pair: Pair, runIn: number): Promise<VariantResult[][]> =>
    of(replay, pair, first, quietBlocks, runIn);
  const results = [
    compare('worker-state/live', await quiet(['follow', 'headers'], 0), 'cpuMs', 'µs CPU/block'),
    compare('worker-state/live/run-in', await quiet(['follow', 'headers'], runInBlocks), 'cpuMs', 'µs CPU/block'),
    compare('worker-state/live/late', await quiet(['follow', 'headers'], lateBlocks), 'cpuMs', 'µs CPU/block'),
    compare('worker-state/live/heads', await quiet(['follow', 'heads'], 0), 'cpuMs', 'µs CPU/block'),
  ];
  await using few = await startReplay({ workers: fewWorkers, busy });
  const many = await of(replay, ['follow', 'follow'], first + lateBlocks + quietBlocks, busyBlocks);
  const less = await of(few, ['follow', 'follow'], few.first, busyBlocks);
  const pairs = many.flatMap((mine, i) => mine.map((cost, j) => [cost, less[i]?.[j] ?? cost]));
  results.push(compare('worker-state/live/100-changed', pairs, 'cpuMs', 'µs CPU/block'));
  return results;
}

/**
 * From opening the store to 1 000 workers looked at, everything proven: with what an earlier run stored, and without. With
 * an ECDH record for each worker those of the 1 000 are verified on either side.
 */
async function restart(): Promise<Result[]> {
  const pairsOf = async (hasRecords: boolean): Promise<VariantResult[][]> => {
    const store = await mkdtemp(join(tmpdir(), 'khala-bench-'));
    try {
      await using replay = await startReplay({ workers, hasRecords });
      const task = { ...taskOf(replay), store };
      await rehearse(['cold', 'warm'], task);
      return await alternate(['warm', 'cold'], task, rounds, () => runVariant('cold', task));
    } finally {
      await rm(store, { recursive: true });
    }
  };
  const [bare, records] = [await pairsOf(false), await pairsOf(true)];
  return [
    compare('worker-state/restart', bare, 'cpuMs', 'ms CPU'),
    compare('worker-state/restart/wall', bare, 'wallMs', 'ms'),
    compare('worker-state/restart/records', records, 'cpuMs', 'ms CPU'),
    compare('worker-state/restart/records/wall', records, 'wallMs', 'ms'),
  ];
}

/** Of one real node: everything proven, against believed. */
async function verifiedSnapshot(): Promise<Result[]> {
  if (realNodeBinary === undefined) {
    console.error('worker-state/verified-snapshot: not measured, KHALA_RELAY_NODE names no polkadot-omni-node');
    return [];
  }
  const folder = await mkdtemp(join(tmpdir(), 'khala-bench-'));
  try {
    const chainSpec = join(folder, 'spec.json');
    await writeSpecWithWorkers(chainSpec, await devWorkers(workers));
    await using node = await startRealNode({ chainSpec });
    const task = { url: node.ws, workers, from: 0, to: 0, counted: 0, store: '' };
    await rehearse(['plain', 'proven'], task);
    const pairs = await alternate(['proven', 'plain'], task, rounds);
    return [
      compare('worker-state/verified-snapshot', pairs, 'cpuMs', 'ms CPU'),
      compare('worker-state/verified-snapshot/wall', pairs, 'wallMs', 'ms'),
      compare('worker-state/verified-snapshot/memory', pairs, 'peakMb', 'MB'),
    ];
  } finally {
    await rm(folder, { recursive: true });
  }
}

type Pair = readonly [ours: string, baseline: string];

/** The server answers from memory what it was asked before. */
async function rehearse(names: readonly string[], task: Task): Promise<void> {
  for (const name of new Set(names)) await runVariant(name, task);
}

/** Each in a process of its own, one after the other, turn about. */
async function alternate(
  [ours, baseline]: Pair,
  task: Task,
  times: number,
  before?: () => Promise<unknown>,
): Promise<VariantResult[][]> {
  const pairs: VariantResult[][] = [];
  for (let round = 0; round < times; round++) {
    await before?.();
    const names = round % 2 === 0 ? [ours, baseline] : [baseline, ours];
    const first = await runVariant(names[0] ?? '', task);
    const second = await runVariant(names[1] ?? '', task);
    pairs.push(round % 2 === 0 ? [first, second] : [second, first]);
  }
  return pairs;
}

function compare(
  name: string,
  pairs: readonly (readonly VariantResult[])[],
  what: keyof VariantResult,
  unit: string,
): Result {
  const values = pairs.map(([ours, baseline]) => [ours?.[what] ?? Number.NaN, baseline?.[what] ?? Number.NaN] as const);
  return {
    name,
    ours: rounded(median(values.map(([ours]) => ours))),
    baseline: rounded(median(values.map(([, baseline]) => baseline))),
    ratio: rounded(median(values.map(([ours, baseline]) => ours / baseline))),
    unit,
  };
}

function taskOf({ url, workers: count, first }: Replay): Task {
  return { url, workers: count, from: first, to: first, counted: first, store: '' };
}

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Result } from '../harness.ts';
import { besideEach, compare, costOfVariant, inTurns, resultOf, serve, type Compared } from './run-variant.ts';
import type { Task } from './variants.ts';

const blocks = 2_000;
/** So many more for what is held: two transactions of messages and what is read meanwhile are more than fewer blocks have. */
const manyBlocks = 4 * blocks;
const messages = blocks;
const rounds = 5;
/** Runs in a process until all is compiled that will be, … */
const warmUpRuns = 30;
/** … and those that count then. */
const warmRuns = 9;

/** A heap in which garbage does not stay until there is much more: what is beyond it is not V8's alone. */
const smallHeap = ['--max-semi-space-size=1', '--max-old-space-size=64'];

/** An inbox that catches up over 2 000 blocks, and over twice as many, beside a loop that only reads them. */
export async function catchUp(): Promise<Result[]> {
  const folder = await mkdtemp(join(tmpdir(), 'khala-bench-'));
  try {
    await using node = await serve<{ url: string; safeUrl: string }>(
      'blocks-process.ts',
      String(2 * manyBlocks),
      folder,
    );
    const task = (count: number, url: string): Task => ({
      url,
      folder,
      first: 1,
      last: count,
      messages: (count / blocks) * messages,
    });
    const run =
      (name: string, count: number, before = 0, times = 1, url = node.told.url) =>
      () =>
        costOfVariant(name, task(count, url), before, times);
    const { safeUrl } = node.told;
    const once = await compare(rounds, run('plain', blocks), run('bare', blocks));
    const compiled = async (url: string): Promise<Record<'bare' | 'framed', Compared[]>> => {
      const warm = (name: string) => run(name, blocks, warmUpRuns, warmRuns, url);
      const runs = { plain: warm('plain'), bare: warm('bare'), framed: warm('bare-framed') };
      const { plain, bare, framed } = await inTurns(rounds, runs);
      return { bare: besideEach(plain, bare), framed: besideEach(plain, framed) };
    };
    const any = await compiled(node.told.url);
    const safe = await compiled(safeUrl);
    const small = (name: string, count: number) => () =>
      costOfVariant(name, task(count, node.told.url), 0, 1, smallHeap);
    const doubled = await compare(3, run('plain', 2 * manyBlocks), run('plain', manyBlocks));
    const doubledSmall = await compare(3, small('plain', 2 * manyBlocks), small('plain', manyBlocks));
    const doubledBare = await compare(3, small('bare', 2 * manyBlocks), small('bare', manyBlocks));
    const held = await compare(3, run('plain-held', manyBlocks), run('bare-held', manyBlocks));
    const heldDoubled = await compare(3, run('plain-held', 2 * manyBlocks), run('plain-held', manyBlocks));
    return [
      resultOf('inbox/catch-up CPU', 'ms', any.bare, 'cpuMs'),
      resultOf('inbox/catch-up wall', 'ms', any.bare, 'wallMs'),
      resultOf('inbox/catch-up CPU, loop in frames', 'ms', any.framed, 'cpuMs'),
      resultOf('inbox/catch-up wall, loop in frames', 'ms', any.framed, 'wallMs'),
      resultOf('inbox/catch-up CPU, safe RPCs only', 'ms', safe.bare, 'cpuMs'),
      resultOf('inbox/catch-up wall, safe RPCs only', 'ms', safe.bare, 'wallMs'),
      resultOf('inbox/catch-up CPU, safe RPCs only, loop in frames', 'ms', safe.framed, 'cpuMs'),
      resultOf('inbox/catch-up wall, safe RPCs only, loop in frames', 'ms', safe.framed, 'wallMs'),
      resultOf('inbox/catch-up CPU, new process', 'ms', once, 'cpuMs'),
      resultOf('inbox/catch-up wall, new process', 'ms', once, 'wallMs'),
      resultOf('inbox/catch-up peak memory', 'MB', once, 'peakMb'),
      resultOf('inbox/catch-up 16 000 blocks for 8 000, peak memory', 'MB', doubled, 'peakMb'),
      resultOf('inbox/catch-up 16 000 blocks for 8 000, peak memory, small heap', 'MB', doubledSmall, 'peakMb'),
      resultOf(
        'inbox/catch-up 16 000 blocks for 8 000, peak memory, small heap, bare loop',
        'MB',
        doubledBare,
        'peakMb',
      ),
      resultOf('inbox/catch-up 8 000 blocks, memory held', 'MB', held, 'peakMb'),
      resultOf('inbox/catch-up 16 000 blocks for 8 000, memory held', 'MB', heldDoubled, 'peakMb'),
    ];
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

import { RelayError } from '../../errors/index.ts';
import type { BlockNumber, Head, HeadEvent } from '../chain.ts';
import type { HeadReader } from './head-reader.ts';
import type { LatestValue } from './latest-value.ts';
import type { NewestHead } from './newest-heads.ts';
import type { StartingPoint } from './starting-point.ts';
import { readRange } from './read-range.ts';

/** Emitted heads that are remembered: the deepest reorg that can be taken back. */
const rememberedHeads = 1024;
/** A gap wider than this is read by number, many at once, instead of parent by parent. */
const wideGap = 16;

/**
 * The best branch: every block once, in order; where it changes, `retracted` for what left it, newest first, then the
 * heads of the new branch.
 */
export async function* walkBest(
  reader: HeadReader,
  newest: LatestValue<NewestHead>,
  { from, after }: StartingPoint,
  signal: AbortSignal,
): AsyncGenerator<HeadEvent, never> {
  const options = { signal, patienceMs: Infinity };
  const branch: Head[] = after === undefined ? [] : [await reader.byHash(after.hash, options)];
  const first = after === undefined ? (from ?? (await newest.next(signal)).value.head.number) : 0;
  let seen = 0;
  let session = 0;
  const indexOf = (number: BlockNumber): number => number - (branch[0]?.number ?? first);
  const isEmitted = (head: Pick<Head, 'number' | 'hash'>): boolean => branch[indexOf(head.number)]?.hash === head.hash;
  /** What was seen before this run, as far down as it is needed to tell where the branches part. */
  const reachDown = async (number: BlockNumber): Promise<void> => {
    for (
      let [oldest] = branch;
      after !== undefined && oldest !== undefined && oldest.number > number;
      [oldest] = branch
    ) {
      if (branch.length >= 2 * rememberedHeads) return;
      branch.unshift(await reader.byHash(oldest.parentHash, options));
    }
  };
  const push = (head: Head): HeadEvent => {
    branch.push(head);
    if (branch.length > 2 * rememberedHeads) branch.splice(0, rememberedHeads);
    return { type: 'head', head };
  };

  for (;;) {
    const { value, version } = await newest.next(signal, (newer) => newer.version > seen);
    const { head: target, session: told } = value;
    seen = version;
    await reachDown(target.number);
    const tip = branch.at(-1);
    // After a reconnect to a node that is behind, an older head of the same branch takes nothing back.
    const isLag = tip !== undefined && told !== session && target.number < tip.number && isEmitted(target);
    if (isLag || (tip === undefined && target.number < first)) continue;
    session = told;

    const start = tip === undefined ? first : tip.number + 1;
    if (target.number - start > wideGap) {
      for await (const head of readRange(reader, start, target, signal)) {
        const last = branch.at(-1);
        // The branch changed meanwhile: what is left is found parent by parent.
        if (last !== undefined && head.parentHash !== last.hash) break;
        yield push(head);
      }
    }

    const path: Head[] = [];
    for (let head = target; head.number >= first && !isEmitted(head);) {
      path.unshift(head);
      if (head.number === first) break;
      await reachDown(head.number - 1);
      const [oldest] = branch;
      if (oldest !== undefined && oldest.number > first && head.number <= oldest.number)
        throw new RelayError('chain-forked', {
          details: { block: head.number, found: head.hash, seen: oldest.hash },
        });
      if (isEmitted({ number: head.number - 1, hash: head.parentHash })) break;
      head = await reader.byHash(head.parentHash, options);
    }
    const ancestor = path[0] === undefined ? target.number : path[0].number - 1;
    for (let last = branch.at(-1); last !== undefined && last.number > ancestor; last = branch.at(-1)) {
      branch.pop();
      yield { type: 'retracted', head: last };
    }
    for (const head of path) yield push(head);
  }
}

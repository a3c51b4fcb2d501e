import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { BlockId } from '../../src/chain/index.ts';
import type { Hex } from '../../src/codec/index.ts';
import { AcceptedInBodies, type Ends, type Run, type Step } from '../../src/outbox/accepted-in-bodies.ts';

const id = (n: number): Hex => `0x${n.toString(16).padStart(64, '0')}`;
const block = (number: number): BlockId => ({ number, hash: id(1_000 + number) });
const run = (number: number, first: number, ids: readonly number[], isSure = true): Run => ({
  ...{ first: BigInt(first), ids: ids.map(id), block: block(number), isSure },
});
const from = (first: number, after: number): Ends => ({
  ...{ before: { least: BigInt(first), most: BigInt(first) }, after: BigInt(after) },
});

/** One way on which the sequence can have gone: the run that used each, undefined where nobody saw it. */
type Way = ReadonlyMap<bigint, Run | undefined>;

/** All of them, one by one. */
function waysThrough(steps: readonly Step[], { before, after }: Ends): Way[] {
  const ways: Way[] = [];
  const go = (i: number, next: bigint, used: Way): void => {
    const step = steps[i];
    if (next > after) return;
    if (i === steps.length) {
      if (next === after) ways.push(used);
    } else if (step === 'gone')
      for (let to = next; to <= after; to++) {
        const unseen = Array.from({ length: Number(to - next) }, (_, n) => [next + BigInt(n), undefined] as const);
        go(i + 1, to, new Map([...used, ...unseen]));
      }
    else if (step !== undefined) {
      if (step.first !== next || !step.isSure) go(i + 1, next, used);
      if (step.first !== next) return;
      const own = step.ids.map((_, n) => [next + BigInt(n), step] as const);
      go(i + 1, next + BigInt(step.ids.length), new Map([...used, ...own]));
    }
  };
  for (let next = before.least; next <= before.most; next++) go(0, next, new Map());
  return ways;
}

/** In words: what is so on all ways. */
function onAll(ways: readonly Way[], wanted: Hex, sequence: bigint): 'in' | 'none' | 'unknown' {
  const isIn = (way: Way): boolean => {
    const user = way.get(sequence);
    return user?.ids[Number(sequence - user.first)] === wanted;
  };
  const isUnseen = (way: Way): boolean => way.has(sequence) && way.get(sequence) === undefined;
  if (ways.every((way) => isIn(way))) return 'in';
  return ways.some((way) => isIn(way) || isUnseen(way)) ? 'unknown' : 'none';
}

describe('which signed messages were let in, by extrinsics and the sequence alone', () => {
  it('is the only one that is signed for a sequence that was used', () => {
    const seen = new AcceptedInBodies([run(1, 5, [1], false)], from(5, 6));
    assert.deepEqual(seen.of(id(1), 5n), block(1));
    assert.equal(seen.of(id(2), 5n), 'none');
    assert.equal(seen.of(id(1), 6n), 'none');
  });

  it('is the first of two whose turn it was, where nothing else decides', () => {
    const two = (isSure: boolean) => new AcceptedInBodies([run(1, 5, [1], isSure), run(2, 5, [2], isSure)], from(5, 6));
    assert.deepEqual([two(true).of(id(1), 5n), two(true).of(id(2), 5n)], [block(1), 'none']);
    assert.deepEqual([two(false).of(id(1), 5n), two(false).of(id(2), 5n)], ['unknown', 'unknown']);
  });

  it('is none of a batch before which something else came, and all that is signed anew for what was left', () => {
    const steps = [run(1, 5, [9], false), run(2, 5, [1, 2, 3], false), run(3, 6, [11, 12, 13], false)];
    const seen = new AcceptedInBodies(steps, from(5, 9));
    assert.deepEqual(
      [1, 2, 3].map((n, i) => seen.of(id(n), BigInt(5 + i))),
      ['none', 'none', 'none'],
    );
    assert.deepEqual(
      [11, 12, 13].map((n, i) => seen.of(id(n), BigInt(6 + i))),
      [block(3), block(3), block(3)],
    );
  });

  it('names the block in which it came in, and not one in which it came to nothing', () => {
    const seen = new AcceptedInBodies([run(1, 5, [1]), run(2, 4, [3]), run(3, 5, [1])], from(4, 6));
    assert.deepEqual(seen.of(id(1), 5n), block(3));
  });

  it('does not know what blocks held whose extrinsics nobody has, and knows what was settled before them', () => {
    const seen = new AcceptedInBodies([run(1, 5, [1]), 'gone', run(9, 7, [2], false)], from(5, 9));
    assert.deepEqual(seen.of(id(1), 5n), block(1));
    assert.equal(seen.of(id(7), 6n), 'unknown');
    assert.equal(seen.of(id(2), 7n), 'unknown', 'not in block 9, and maybe before');
    const open = new AcceptedInBodies([run(1, 5, [1]), 'gone', run(9, 7, [2], false)], from(5, 8));
    assert.equal(open.of(id(2), 7n), 'unknown');
  });

  it('where it is not known what was next before them, is what was signed later than that', () => {
    const steps = [run(1, 3, [7], false), run(2, 5, [1], false)];
    const ends = (most: bigint): Ends => ({ before: { least: 0n, most }, after: 6n });
    assert.deepEqual(new AcceptedInBodies(steps, ends(5n)).of(id(1), 5n), block(2));
    assert.equal(new AcceptedInBodies(steps, ends(6n)).of(id(1), 5n), 'unknown');
  });

  it('knows nothing where something was let in unseen', () => {
    const seen = new AcceptedInBodies([run(1, 5, [1])], from(5, 7));
    assert.equal(seen.isPossible, false);
    assert.equal(seen.of(id(1), 5n), 'unknown');
    assert.equal(seen.of(id(1), 7n), 'none', 'not used yet');
  });

  const step = fc.oneof(
    { arbitrary: fc.constant('gone' as const), weight: 1 },
    {
      weight: 8,
      arbitrary: fc
        .record({
          first: fc.nat(6),
          ids: fc.array(fc.nat(3), { minLength: 1, maxLength: 3 }),
          isSure: fc.boolean(),
        })
        .map(({ first, ids, isSure }) => ({ first, ids, isSure })),
    },
  );
  const ends = fc.record({ least: fc.nat(4), more: fc.oneof(fc.constant(0), fc.nat(4)), length: fc.nat(6) });

  it('tells what is so on all ways from one end to the other, and of nothing else', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 7 }), ends, (parts, { least, more, length }) => {
        const steps = parts.map((part, i): Step =>
          part === 'gone' ? part : run(i, part.first, part.ids, part.isSure),
        );
        const before = { least: BigInt(least), most: BigInt(least + more) };
        const between = { before, after: BigInt(least + length) };
        const ways = waysThrough(steps, between);
        const seen = new AcceptedInBodies(steps, between);
        assert.equal(seen.isPossible, ways.length > 0);
        if (ways.length === 0) return;
        for (let sequence = 0n; sequence < 12n; sequence++)
          for (const wanted of [0, 1, 2, 3].map(id)) {
            const told = seen.of(wanted, sequence);
            assert.equal(
              typeof told === 'string' ? told : 'in',
              onAll(ways, wanted, sequence),
              `${wanted} ${sequence}`,
            );
          }
      }),
      { numRuns: 5_000 },
    );
  });

  /** What an extrinsic does: one message, a batch of nothing else, or messages among other calls. */
  const extrinsic = fc.record({
    kind: fc.constantFrom('one' as const, 'all' as const, 'others' as const),
    /** Before or behind the next sequence. */
    shift: fc.oneof(
      { arbitrary: fc.constant(0), weight: 3 },
      { arbitrary: fc.integer({ min: -2, max: 2 }), weight: 1 },
    ),
    length: fc.integer({ min: 1, max: 4 }),
    /** Of others: which of them fail for another reason. */
    fails: fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }),
    /** Nobody has the extrinsics of its block any more. */
    isGone: fc.oneof({ arbitrary: fc.constant(false), weight: 5 }, { arbitrary: fc.constant(true), weight: 1 }),
  });

  it('never contradicts the pallet, whatever fails', () => {
    fc.assert(
      fc.property(fc.array(extrinsic, { maxLength: 12 }), fc.boolean(), fc.nat(3), (extrinsics, isCautious, slack) => {
        let next = 10n;
        let signed = 0;
        const accepted = new Map<bigint, { readonly id: Hex; readonly number: number }>();
        const all: (readonly [Hex, bigint])[] = [];
        const steps: Step[] = [];
        extrinsics.forEach(({ kind, shift, length, fails, isGone }, number) => {
          const first = next + BigInt(shift);
          const ids = Array.from({ length: kind === 'one' ? 1 : length }, () => id(signed++));
          const items = ids.map((each, i) => [each, first + BigInt(i)] as const);
          all.push(...items);
          const isWhole = first === next;
          items.forEach(([each, sequence], i) => {
            if (kind === 'all' && !isWhole) return;
            if (sequence !== next || (kind === 'others' && fails[i] === true)) return;
            accepted.set(next++, { id: each, number });
          });
          if (isGone) steps.push('gone');
          else if (kind === 'others')
            steps.push(
              ...items.map(([each, at]): Run => ({ first: at, ids: [each], block: block(number), isSure: false })),
            );
          else steps.push({ first, ids, block: block(number), isSure: !isCautious });
        });
        const before = { least: 10n - BigInt(slack), most: 10n };
        const seen = new AcceptedInBodies(steps, { before, after: next });
        assert.ok(seen.isPossible, 'it is one of the ways');
        for (const [each, sequence] of all) {
          const told = seen.of(each, sequence);
          const user = accepted.get(sequence);
          const truth = user?.id === each ? block(user.number) : 'none';
          if (told !== 'unknown') assert.deepEqual(told, truth);
          const isDecided =
            !isCautious && slack === 0 && extrinsics.every(({ kind, isGone }) => kind !== 'others' && !isGone);
          if (isDecided) assert.notEqual(told, 'unknown', 'each is of a kind whose outcome the sequence decides');
        }
      }),
      { numRuns: 5_000 },
    );
  });
});

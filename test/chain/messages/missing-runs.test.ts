import assert from 'node:assert/strict';
import fc from 'fast-check';
import { connectChain, type Chain, type MessageSpan } from '../../../src/chain/index.ts';
import { startDevChain, type DevChain } from '../../../src/dev-chain/index.ts';
import { ForgetfulNode, runsOf } from '../../support/forgetful-node.ts';
import { alice, utf8 } from '../support.ts';

const topic = utf8('a topic');
/** Most of one frame are 64: several of them, each with blocks that have messages. */
const blocks = 200;
const each = 3;

type MissingSpan = Extract<MessageSpan, { readonly type: 'missing' }>;

describe('Messages.follow, where states are gone', () => {
  let dev: DevChain;
  let direct: Chain;
  let node: ForgetfulNode;
  let first: number;
  let last: number;
  /** Numbers of blocks with a message. */
  let posted: number[];
  const open: AsyncDisposable[] = [];

  before(async () => {
    dev = await startDevChain();
    direct = await connectChain({ endpoints: [dev.ws] });
    first = dev.head.number + 1;
    posted = [];
    while (dev.head.number < first + blocks) {
      posted.push(await post());
      await dev.newBlock({ count: each - 1 });
    }
  });

  beforeEach(async () => {
    last = dev.head.number;
    node = await ForgetfulNode.start(dev, direct, first);
    open.push(node);
  });

  afterEach(async () => {
    for (const resource of open.splice(0).reverse()) await resource[Symbol.asyncDispose]();
  });

  after(async () => {
    await direct.stop();
    await dev.stop();
  });

  async function post(): Promise<number> {
    return (await direct.submit([{ kind: 'push-message', destination: topic, payload: utf8('a message') }], alice))
      .blockNumber;
  }

  interface Told {
    readonly gaps: MissingSpan[];
    readonly blocks: number[];
    readonly messages: number[];
  }

  /** What is told of the blocks from `first` on, each of which is told of once and in its place, until that holds. */
  async function told(chain: Chain, verify: boolean, isAll = (through: number) => through >= last): Promise<Told> {
    const all: Told = { gaps: [], blocks: [], messages: [] };
    const after = (await direct.headAt(first - 1)) ?? assert.fail('it is there');
    let next = first;
    for await (const span of chain.messages.follow(after, { topics: [topic], verify })) {
      assert.notEqual(span.type, 'retracted');
      if (span.type === 'missing') {
        assert.equal(span.first, next);
        all.gaps.push(span);
      } else if (span.type === 'blocks') {
        for (let number = next; number <= span.through.number; number++) all.blocks.push(number);
        for (const { block, proven } of span.messages) {
          assert.ok(block.number >= next && block.number <= span.through.number);
          assert.equal(proven, verify);
          all.messages.push(block.number);
        }
      }
      assert.ok(span.through.number >= next);
      next = span.through.number + 1;
      if (isAll(span.through.number)) return all;
    }
    return assert.fail('it is followed for ever');
  }

  const rangesOf = ({ gaps }: Told) => gaps.map((gap) => [gap.first, gap.through.number] as const);
  const connected = async (): Promise<Chain> => {
    const chain = await connectChain({ endpoints: [node.ws] });
    open.push(chain);
    return chain;
  };

  for (const verify of [true, false]) {
    const how = verify ? 'with proofs' : 'without proofs';

    it(`gives all blocks that are there, and tells each run of others once and in its place, ${how}`, async () => {
      // Runs that are there and that are gone, by turns, of any length: also none first, or all that are left last.
      const lengths = fc.array(fc.integer({ min: 0, max: 90 }), { minLength: 2, maxLength: 12 });
      await fc.assert(
        fc.asyncProperty(lengths, async (runs) => {
          const gone = new Set<number>();
          let number = first;
          for (const [i, length] of runs.entries())
            for (const end = number + length; number < end && number <= last; number++)
              if (i % 2 === 1) gone.add(number);
          node.isGone = (block) => gone.has(block);
          node.given.clear();
          await using chain = await connectChain({ endpoints: [node.ws] });
          const seen = await told(chain, verify);
          assert.deepEqual(rangesOf(seen), runsOf(gone));
          assert.deepEqual(
            seen.blocks,
            [...node.given].toSorted((a, b) => a - b),
          );
          assert.deepEqual(
            seen.messages,
            posted.filter((block) => !gone.has(block)),
          );
        }),
        { numRuns: 12, examples: [[[0, 1, 1, 1]], [[20, 5, 90, 90]], [[0, 70, 3, 70, 1, 1]], [[0, 90]]] },
      );
    });

    it(`uses what it was given, though the node gives nothing twice, ${how}`, async () => {
      const forgotten = first + 70;
      node.isGone = (block) => block <= forgotten || node.given.has(block);
      const seen = await told(await connected(), verify);
      assert.deepEqual(rangesOf(seen), [[first, forgotten]]);
      assert.deepEqual(
        seen.messages,
        posted.filter((block) => block > forgotten),
      );
      for (let block = first; block <= last; block++) assert.equal(node.asked.get(block) ?? 1, 1, 'it was asked again');
    });

    it(`knows of a missing block, and of those after it, which they are, ${how}`, async () => {
      const [from, to] = [first + 10, first + 80];
      node.isGone = (block) => (block >= from && block <= to) || block === to + 5;
      const [gap, next] = (await told(await connected(), verify)).gaps;
      assert.ok(gap !== undefined && next !== undefined);
      for (const number of [from, from + 1, to, to + 1, last, from + 2])
        assert.equal(await gap.hashAt(number), (await direct.headAt(number))?.hash, `of block ${number}`);
      for (const number of [from - 1, last + 1]) assert.equal(await gap.hashAt(number), undefined);
      assert.equal(await next.hashAt(next.first), (await direct.headAt(to + 5))?.hash);
    });

    it(`tells one run of what the node forgot while others came, and not before its end is known, ${how}`, async () => {
      const chain = await connected();
      const heads = chain.headEvents({ from: last }, new AbortController().signal);
      let forgotten = 0;
      const makeOthers = async (): Promise<void> => {
        const number = last + 5;
        await dev.newBlock({ count: 5 });
        // So it knows of later ones when the first are read.
        for await (const { head } of heads) if (head.number === number) break;
        await node.learn(direct, last + 1);
        forgotten = number - 2;
      };
      let making: Promise<void> | undefined;
      node.isGone = (block) => block <= forgotten;
      node.proxy.hold = (method) => (method.startsWith('state_') ? (making ??= makeOthers()) : undefined);
      const end = last + 5;
      const seen = await told(chain, verify, (through) => through >= end);
      assert.deepEqual(rangesOf(seen), [[first, forgotten]]);
      assert.deepEqual(seen.blocks, [end - 1, end]);
    });

    it(`tells a run that ends with the newest block at once, and goes on behind it, ${how}`, async () => {
      const chain = await connected();
      node.isGone = (block) => block > last - 10;
      let later: Promise<number> | undefined;
      const end = last + 1;
      const seen = await told(chain, verify, (through) => {
        if (through === last) later = post();
        return through === end;
      });
      assert.deepEqual(rangesOf(seen), [[end - 10, end - 1]]);
      assert.equal(seen.messages.at(-1), await later);
      posted.push(end);
    });
  }
});

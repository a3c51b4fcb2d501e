import assert from 'node:assert/strict';
import { toHex, type Hex } from '../../src/codec/index.ts';
import { BlockStore } from '../../src/dev-chain/block/block-store.ts';
import type { DevBlock } from '../../src/dev-chain/block/block.ts';
import { zeroHash } from '../../src/dev-chain/block/header.ts';

const kept = 4_096;
/** A finality lag that no chain here reaches. */
const never = 1_000_000;

/** As the store sees it: where it hangs, and whether it has a state. */
function blockOn(parent: DevBlock | undefined, id: number): DevBlock {
  const hash: Hex = toHex(Buffer.from(id.toString(16).padStart(64, '0'), 'hex'));
  const number = parent === undefined ? 0 : parent.number + 1;
  const header = { parentHash: parent?.hash ?? zeroHash, number };
  return { hash, number, header, extrinsics: [], timestamp: id, state: {} } as unknown as DevBlock;
}

describe('dev-chain: the blocks of all forks', () => {
  let ids = 0;
  let blocks: BlockStore;

  beforeEach(() => {
    blocks = new BlockStore(blockOn(undefined, ids++), never);
  });

  const build = (count: number): DevBlock[] =>
    Array.from({ length: count }, () => {
      const block = blockOn(blocks.head, ids++);
      blocks.take(blocks.changeTo(block));
      blocks.add(block);
      return block;
    });

  it('have states as long as they are among the latest that came, whatever was pruned meanwhile', () => {
    const left = build(2 * kept - 10);
    blocks.take(blocks.changeTo(blocks.genesis));
    blocks.pruneBefore(left.length - 100);
    const fork = build(kept - 50);
    assert.deepEqual(
      left.filter(({ state }) => state !== undefined).map(({ number }) => number),
      left.slice(-50).map(({ number }) => number),
    );
    assert.ok(fork.every(({ state }) => state !== undefined));
    build(50);
    assert.ok(left.every(({ state }) => state === undefined));
  });

  it('leave the state to the head while it is the head, and no longer', () => {
    const [first, ...others] = build(kept);
    assert.ok(first !== undefined && others.length === kept - 1);
    blocks.take(blocks.changeTo(first));
    blocks.pruneBefore(Infinity);
    assert.notEqual(first.state, undefined);
    build(1);
    assert.equal(first.state, undefined);
  });

  // Where each block looked at all that is not final, this would not end in time.
  it('are added one by one to a chain of which nothing is final, however long it is', () => {
    const built = build(200_000);
    assert.equal(blocks.byNumber(200_000), built.at(-1));
    assert.equal(blocks.finalized, blocks.genesis);
  });

  it('become final in their order, also those of a fork that is taken as it is', () => {
    const final = new BlockStore(blockOn(undefined, ids++), 2);
    const chain = [final.genesis];
    for (let n = 0; n < 3; n += 1) chain.push(blockOn(chain.at(-1), ids++));
    for (const block of chain.slice(1)) final.add(block);
    assert.deepEqual(final.changeTo(chain[3]!).finalized, [chain[1]]);
    final.take(final.changeTo(chain[2]!));
    const longer = [blockOn(chain[2], ids++)];
    for (let n = 0; n < 3; n += 1) longer.push(blockOn(longer.at(-1), ids++));
    for (const block of longer) final.add(block);
    const change = final.changeTo(longer.at(-1)!);
    assert.deepEqual([change.finalized, change.enacted], [[chain[1], chain[2], longer[0], longer[1]], longer]);
  });

  it('come back as a chain of any length, with the head and what is final', () => {
    let parent = blocks.genesis;
    const chain = Array.from({ length: 200_000 }, () => (parent = blockOn(parent, ids++)));
    for (const block of chain) blocks.add(block);
    assert.equal(blocks.head, blocks.genesis);
    blocks.standAt(chain.at(-1)!, chain.at(-5)!);
    assert.deepEqual([blocks.head, blocks.finalized], [chain.at(-1), chain.at(-5)]);
    assert.equal(blocks.byNumber(100_000), chain[99_999]);
    assert.equal(blocks.genesis.state, undefined);
  });
});

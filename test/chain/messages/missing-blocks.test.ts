import assert from 'node:assert/strict';
import type { Piece } from '../../../src/chain/messages/frames.ts';
import { lastWithout, MissingBlocks } from '../../../src/chain/messages/missing-blocks.ts';
import type { BlockId } from '../../../src/chain/index.ts';

const block = (number: number): BlockId => ({ number, hash: `0x${number.toString(16).padStart(64, '0')}` });

async function* pieces(...lasts: readonly number[]): AsyncGenerator<Piece> {
  let first = 11;
  for (const last of lasts) {
    const anchorsOf = (from: number, length: number) =>
      Array.from({ length }, (_, i) => ({ ...block(from + i), stateRoot: undefined }));
    yield await Promise.resolve({ first, last: block(last), anchorsOf });
    first = last + 1;
  }
}

describe('MissingBlocks', () => {
  const begun = (): MissingBlocks => new MissingBlocks(block(10), () => pieces(20, 100));
  const rangeOf = (gap: ReturnType<MissingBlocks['end']>) => gap && [gap.first, gap.through, gap.reason];

  it('makes one gap of all that is missing until a block is there, and none where none is', () => {
    const missing = begun();
    assert.equal(missing.came(11, block(12)), undefined);
    missing.add(block(13), 'gone');
    missing.add(block(20), 'gone');
    assert.deepEqual(rangeOf(missing.came(21, block(22))), [13, block(20), 'gone']);
    assert.equal(missing.came(23, block(24)), undefined);
    assert.equal(missing.end(), undefined);
  });

  it('counts what is passed over as missing, but not what came all the same', () => {
    const missing = begun();
    missing.add(block(12), 'gone');
    missing.passOver(block(40));
    missing.passOver(block(30));
    assert.equal(missing.passedOver, 40);
    assert.deepEqual(rangeOf(missing.came(13, block(15))), [11, block(12), 'gone']);
    assert.deepEqual(rangeOf(missing.came(41, block(44))), [16, block(40), 'gone']);
    missing.passOver(block(60));
    missing.add(block(64), 'gone too');
    assert.deepEqual(rangeOf(missing.end()), [45, block(64), 'gone too']);
    missing.passOver(block(70));
    assert.deepEqual(rangeOf(missing.end()), [65, block(70), 'gone too']);
  });

  it('gives the hashes of the blocks that are missing, of no other', async () => {
    const missing = begun();
    missing.came(11, block(12));
    missing.add(block(30), 'gone');
    const gap = missing.end() ?? assert.fail('it is there');
    for (const number of [13, 20, 21, 30]) assert.equal(await gap.hashAt(number), block(number).hash);
    for (const number of [10, 12, 31]) assert.equal(await gap.hashAt(number), undefined);
  });

  it('finds the last block without a state by few looks', async () => {
    for (const last of [15, 19, 20, 21, 77, 99, 100]) {
      const looked: number[] = [];
      const hasState = ({ number }: BlockId): Promise<boolean> => (looked.push(number), Promise.resolve(number > last));
      assert.deepEqual(await lastWithout(block(15), pieces(20, 100), hasState), block(last));
      assert.ok(looked.length <= 9, looked.join());
    }
  });
});

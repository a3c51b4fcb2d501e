import assert from 'node:assert/strict';
import { blake2b } from '@noble/hashes/blake2.js';
import { fromHex, toHex, Writer, type Hex } from '../../../src/codec/index.ts';
import { hashHeader } from '../../../src/chain/head/header.ts';

const hashOf = (byte: string): Hex => `0x${byte.repeat(32)}`;

describe('hashHeader', () => {
  for (const number of [0, 63, 64, 255, 16_383, 16_384, 2 ** 24, 2 ** 30 - 1])
    it(`is blake2_256 of the SCALE of block ${number}`, () => {
      const digest: Hex[] = ['0x06', '0x0642414245b501', hashOf('07')];
      const fields = { parentHash: hashOf('01'), stateRoot: hashOf('a2'), extrinsicsRoot: hashOf('03') };
      const scale = new Writer().raw(fromHex(fields.parentHash)).compactLength(number);
      scale.raw(fromHex(fields.stateRoot)).raw(fromHex(fields.extrinsicsRoot)).compactLength(digest.length);
      for (const item of digest) scale.raw(fromHex(item));
      assert.equal(hashHeader({ number, ...fields, digest }), toHex(blake2b(scale.finish(), { dkLen: 32 })));
    });
});

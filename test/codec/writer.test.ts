import assert from 'node:assert/strict';
import { Writer } from '../../src/codec/index.ts';

describe('codec: Writer', () => {
  it('joins any number of parts: 500 000 of them, more than a call takes arguments', () => {
    const writer = new Writer();
    for (let i = 0; i < 500_000; i++) writer.u8(i & 0xff);
    const bytes = writer.finish();
    assert.equal(bytes.length, 500_000);
    assert.equal(bytes[499_999], 499_999 & 0xff);
  });

  it('keeps the byte for which it has to grow', () => {
    for (const before of [0, 1, 64, 128]) {
      const bytes = new Writer(before).raw(new Uint8Array(before)).u8(7).finish();
      assert.equal(bytes.at(-1), 7, `after ${before}`);
    }
  });

  it('refuses a u64 out of range', () => {
    for (const value of [-1n, 1n << 64n]) assert.throws(() => new Writer().u64(value), { code: 'bad-value' });
  });
});

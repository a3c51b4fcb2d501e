import assert from 'node:assert/strict';
import fc from 'fast-check';
import { fromHex, toBytes, toHex } from '../../src/codec/index.ts';
import { isRelayError } from '../../src/errors/index.ts';

describe('codec: hex', () => {
  it('gives back any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        assert.deepEqual(fromHex(toHex(bytes)), bytes);
        assert.deepEqual(fromHex(toHex(bytes).toUpperCase().replace('0X', '0x')), bytes);
      }),
    );
  });

  it('refuses half bytes, other digits and a missing 0x', () => {
    for (const text of ['', '0', '0x0', '0xabc', 'ab', '0xag', '0x ab', '0xab\n', '0X00', '0x0x'])
      assert.throws(
        () => fromHex(text, 'The key'),
        (error) => isRelayError(error, 'bad-hex') && error.message.startsWith('The key'),
      );
  });

  it('takes and refuses megabytes of it', () => {
    const text = '0x' + 'ab'.repeat(8 << 20);
    assert.equal(fromHex(text).length, 8 << 20);
    assert.throws(
      () => fromHex(text.slice(0, -1) + 'x'),
      (error) => isRelayError(error, 'bad-hex'),
    );
  });

  it('checks lengths of bytes in either form', () => {
    assert.deepEqual(toBytes('0x0102', 'id', 2), Uint8Array.of(1, 2));
    for (const value of ['0x01', Uint8Array.of(1)] as const)
      assert.throws(
        () => toBytes(value, 'id', 2),
        (error) => isRelayError(error, 'bad-length'),
      );
  });
});

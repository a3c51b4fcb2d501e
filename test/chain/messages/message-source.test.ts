import assert from 'node:assert/strict';
import fc from 'fast-check';
import { RawText } from '../../../src/chain/rpc/raw-text.ts';
import { HexSource } from '../../../src/chain/messages/message-source.ts';
import { toHex } from '../../../src/codec/index.ts';
import { thrown } from '../../support/expect-error.ts';

/** The bytes that a hex text stands for, read behind some others. */
function copied(digits: string, before = ''): Uint8Array {
  const text = `${before}0x${digits}`;
  const { frame, end } = RawText.of(text);
  const source = new HexSource(new RawText(frame, before.length, end));
  const at = source.skip(digits.length / 2);
  const target = new Uint8Array(digits.length / 2 + 2);
  source.copy(at, digits.length / 2, target, 1);
  assert.deepEqual([target[0], target.at(-1)], [0, 0], 'nothing around it');
  return target.slice(1, -1);
}

describe('chain: messages read from hex', () => {
  it('are the bytes that the digits stand for, at any place, in either case', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 150 }),
        fc.string({ maxLength: 3, unit: fc.constant(' ') }),
        (bytes, before) => {
          const digits = toHex(bytes).slice(2);
          for (const text of [digits, digits.toUpperCase(), `${digits.slice(0, 16)}${digits.slice(16).toUpperCase()}`])
            assert.deepEqual(copied(text, before), bytes);
        },
      ),
    );
  });

  it('are refused with any character that is no digit, anywhere', () => {
    const digits = '0123456789abcdef'.repeat(9);
    for (let code = 0; code < 256; code++) {
      const character = String.fromCharCode(code);
      if (/[0-9a-fA-F]/.test(character)) continue;
      for (let at = 0; at < digits.length; at += 5) {
        const frame = Uint8Array.from(`0x${digits}`, (each) => each.charCodeAt(0));
        frame[2 + at] = code;
        const source = new HexSource(new RawText(frame, 0, frame.length));
        source.skip(digits.length / 2);
        thrown(() => source.copy(0, digits.length / 2, new Uint8Array(72), 0), 'bad-hex');
      }
    }
  });
});

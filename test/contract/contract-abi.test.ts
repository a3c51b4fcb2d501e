import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { fromHex, toHex } from '../../src/codec/index.ts';
import { parseAbi, type CallArguments } from '../../src/contract/index.ts';
import { thrown } from '../support/expect-error.ts';

// Metadata as cargo contract writes it, of a contract with two messages.
const document = readFileSync(new URL('ledger.json', import.meta.url), 'utf8');
const owner = `0x${'11'.repeat(32)}` as const;

describe('contract: ABI', () => {
  const abi = parseAbi(document);
  const list: CallArguments = [owner, '1000', 'rent'];
  // Selector, AccountId, u128 little-endian, Option<String>.
  const input = `0x84a15da1${'11'.repeat(32)}e803${'00'.repeat(14)}011072656e74`;

  it('names the contract and its messages, from text or an object', () => {
    assert.deepEqual([abi.name, abi.methods], ['ledger', ['transfer_to', 'ping']]);
    assert.deepEqual(parseAbi(JSON.parse(document) as object).methods, abi.methods);
  });

  it('encodes a call: selector, then SCALE of the arguments, in order or by name', () => {
    assert.equal(toHex(abi.encodeCall('transfer_to', list)), input);
    assert.equal(toHex(abi.encodeCall('transferTo', { note: 'rent', amount: 1000, owner })), input);
    assert.equal(toHex(abi.encodeCall('ping', [])), '0x00000001');
    assert.equal(toHex(abi.encodeCall('ping', {})), '0x00000001');
  });

  it('takes integers that are larger than a double holds, as text', () => {
    const largest = (2n ** 128n - 1n).toString();
    const encoded = toHex(abi.encodeCall('transfer_to', [owner, largest, null]));
    assert.equal(encoded, `0x84a15da1${'11'.repeat(32)}${'ff'.repeat(16)}00`);
  });

  it('decodes what it encodes', () => {
    const { method, args } = abi.decodeCall(fromHex(input));
    assert.equal(method, 'transfer_to');
    assert.deepEqual(Object.keys(args), ['owner', 'amount', 'note']);
    assert.deepEqual([Number(args['amount']), args['note']], [1000, 'rent']);
    assert.equal(toHex(abi.encodeCall(method, args)), input);
  });

  it('encodes and decodes what a message returns', () => {
    const output = abi.encodeReturn('transfer_to', '7');
    assert.equal(toHex(output), `0x07${'00'.repeat(15)}`);
    assert.equal(Number(abi.decodeReturn('transfer_to', output)), 7);
    assert.deepEqual(abi.encodeReturn('ping', null), new Uint8Array());
    assert.equal(abi.decodeReturn('ping', new Uint8Array()), null);
    thrown(() => abi.decodeReturn('transfer_to', output.subarray(1)), 'bad-arguments');
    thrown(() => abi.decodeReturn('ping', output), 'bad-arguments');
  });

  const misfits: readonly (readonly [what: string, args: CallArguments])[] = [
    ['too few arguments', [owner]],
    ['too many arguments', [owner, '1', null, 4]],
    ['an account that is none', ['0x11', '1', null]],
    ['a negative unsigned integer', [owner, '-1', null]],
    ['an integer out of range', [owner, (2n ** 128n).toString(), null]],
    ['a number that may have lost digits', [owner, 2 ** 60, null]],
    ['a fraction', [owner, 1.5, null]],
    ['text for a number', [owner, 'many', null]],
    ['an argument of another name', { owner, amount: '1', note: null, tip: 1 }],
    ['a missing name', { owner, amount: '1' }],
  ];
  for (const [what, args] of misfits)
    it(`refuses ${what}`, () => {
      thrown(() => abi.encodeCall('transfer_to', args), 'bad-arguments');
    });

  it('refuses messages that the contract does not have', () => {
    const { code, message, remedy } = thrown(() => abi.encodeCall('mint', []), 'unknown-method');
    assert.deepEqual(
      [code, message.includes('mint'), remedy],
      ['unknown-method', true, 'Take one of: transfer_to, ping.'],
    );
    thrown(() => abi.decodeCall(Uint8Array.of(9, 9, 9, 9)), 'unknown-method');
    thrown(() => abi.decodeCall(new Uint8Array()), 'unknown-method');
  });

  it('refuses input that is cut short or goes on', () => {
    const whole = fromHex(input);
    for (let length = 4; length < whole.length; length++)
      thrown(() => abi.decodeCall(whole.subarray(0, length)), 'bad-arguments');
    thrown(() => abi.decodeCall(Uint8Array.of(...whole, 0)), 'bad-arguments');
  });

  it('refuses what is no ABI', () => {
    for (const text of ['', 'x', '[]', 'null', '{}', '{"version":5}', '{"version":99}', '"x"'])
      thrown(() => parseAbi(text), 'bad-abi');
  });
});

import assert from 'node:assert/strict';
import { blake2b } from '@noble/hashes/blake2.js';
import fc from 'fast-check';
import { ProofNodes } from '../../../src/chain/trie/proof-nodes.ts';
import { fromHex, toHex } from '../../../src/codec/index.ts';
import { withCode } from '../support.ts';
import { hash } from './support.ts';

const encoder = new TextEncoder();

function textOf(items: readonly Uint8Array[]): Uint8Array {
  return encoder.encode(JSON.stringify(items.map(toHex)));
}

function blake2b256(bytes: Uint8Array): Uint8Array {
  return blake2b(bytes, { dkLen: 32 });
}

describe('the WASM that reads proofs', () => {
  it('hashes as another BLAKE2b does', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => {
        assert.deepEqual(hash.binary(bytes), blake2b256(bytes));
      }),
    );
  });

  it('gives what stands in a list, how short or long it is, with the hash of each', () => {
    const items = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 30 });
    fc.assert(
      fc.property(items, (list) => {
        const nodes = hash.nodesIn(textOf(list));
        assert.ok(nodes !== undefined);
        const { bytes, hashes, ends } = nodes;
        assert.equal(ends.length, list.length);
        assert.equal(bytes.length, ends.at(-1) ?? 0);
        list.forEach((item, i) => {
          assert.deepEqual(bytes.slice(i === 0 ? 0 : ends[i - 1], ends[i]), item);
          assert.deepEqual(hashes.slice(32 * i, 32 * i + 32), blake2b256(item));
        });
      }),
    );
  });

  it('takes digits of either case', () => {
    assert.deepEqual(hash.nodesIn(encoder.encode('["0xAbCdEf"]'))?.bytes, fromHex('0xabcdef'));
  });

  it('refuses all other text', () => {
    const others = [
      '',
      '[',
      ']',
      '[]]',
      '["0x00"',
      '"0x00"',
      '["0x0"]',
      '["0x0g"]',
      '["00"]',
      '["0x00",]',
      '[,"0x00"]',
    ];
    const more = ['["0x00""0x00"]', '[ "0x00"]', '["0x00"] ', '["0x00",7]', '[null]', '[["0x00"]]', '["0x00\\u0030"]'];
    for (const text of [...others, ...more, '["0x0０"]', '["0X00"]', '["0x00","0x00]', '["0x00"]["0x00"]'])
      assert.equal(hash.nodesIn(encoder.encode(text)), undefined, text);
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 4 }), { maxLength: 4 }),
        fc.nat(),
        fc.nat(255),
        (list, at, byte) => {
          const text = textOf(list);
          const changed = text.with(at % text.length, byte);
          const isJson = (): boolean => {
            try {
              const parsed = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(changed)) as unknown;
              return Array.isArray(parsed) && parsed.every((item) => /^0x([0-9a-f]{2})*$/i.test(String(item)));
            } catch {
              return false;
            }
          };
          if (hash.nodesIn(changed) !== undefined) assert.ok(isJson(), new TextDecoder().decode(changed));
        },
      ),
      { numRuns: 2_000 },
    );
  });

  it('is as good after an answer of many megabytes as before', () => {
    const large = new Uint8Array(8 * 1024 * 1024).fill(7);
    assert.deepEqual(
      hash.nodesIn(textOf([large, large.subarray(1)]))?.hashes.subarray(32),
      blake2b256(large.subarray(1)),
    );
    assert.deepEqual(hash.binary(Uint8Array.of(1)), blake2b256(Uint8Array.of(1)));
  });
});

describe('ProofNodes', () => {
  it('finds what was added in several parts, what is in more than one of them once', () => {
    const items = Array.from({ length: 300 }, (_, i) =>
      new Uint8Array(40)
        .fill(i)
        .with(0, 0x41)
        .with(1, i >> 8),
    );
    const nodes = new ProofNodes(hash);
    for (let at = 0; at < items.length; at += 50) nodes.add(items.slice(Math.max(0, at - 5), at + 50).map(toHex));
    assert.equal(nodes.size, new Set(items.map(toHex)).size);
    const valued = { isValueHashed: true, valueStart: 0, valueEnd: 32 };
    for (const item of items)
      assert.deepEqual(nodes.valueOf({ ...valued, bytes: blake2b256(item) } as never)?.slice(), item);
    assert.equal(nodes.valueOf({ ...valued, bytes: blake2b256(new Uint8Array(40)) } as never), undefined);
  });

  it('refuses a list that is not of hex', () => {
    for (const item of [7, null, '0x0', '00', ['0x00'], { proof: [] }])
      assert.throws(() => new ProofNodes(hash).add(['0x00', item]), withCode('bad-proof'));
  });
});

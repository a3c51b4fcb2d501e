import assert from 'node:assert/strict';
import { trieNodeDec } from '@polkadot-api/substrate-bindings';
import fc from 'fast-check';
import { decodeTrieNode } from '../../../src/chain/trie/trie-node.ts';
import { concatBytes, fromHex, toHex } from '../../../src/codec/index.ts';
import { thrown } from '../../support/expect-error.ts';
import { mapKeys, mapPrefix, mapValues, stateWith, truthOf } from './support.ts';

describe('decodeTrieNode', () => {
  it('reads every node of a trie as another decoder does, in both layouts', () => {
    const longValues = fc.uint8Array({ minLength: 28, maxLength: 60 }).map((bytes) => toHex(bytes).slice(2));
    const maps = fc
      .array(fc.tuple(mapKeys, fc.oneof(mapValues, longValues)), { minLength: 1, maxLength: 60 })
      .map((entries) => new Map(entries));
    // A branch with each kind of value, and leaves: chance leaves some kind out now and then.
    const [short, long] = ['ab', 'ab'.repeat(33)];
    const everyKind = new Map([
      ...[short, long].map((value, i): [string, string] => [`0${i}`, value]),
      ...['0010', '0020', '0110', '0120'].map((key, i): [string, string] => [key, i % 2 === 0 ? short : long]),
    ]);
    const kinds = new Set<string>();
    fc.assert(
      fc.property(maps, fc.constantFrom(0 as const, 1 as const), (map, version) => {
        const keys = [...map.keys()].map((key) => mapPrefix + key);
        for (const encoded of truthOf(stateWith(map), version).proof(keys)) {
          const bytes = fromHex(encoded);
          // Values that stand apart are in the proof too.
          if ([...map.values()].includes(encoded.slice(2))) continue;
          // As it stands among others.
          const ours = decodeTrieNode(
            concatBytes(Uint8Array.of(0xff), bytes, Uint8Array.of(0xff)),
            1,
            1 + bytes.length,
          );
          const theirs = trieNodeDec(bytes);
          kinds.add(theirs.type);
          assert.ok(ours !== undefined && theirs.type !== 'Empty' && theirs.type !== 'Reserved');
          assert.equal(ours.partial, theirs.partialKey.replace(/^0x/, ''));
          const children = 'children' in theirs ? theirs.children : undefined;
          const ourChildren = ours
            .children()
            .flatMap((child, nibble) => (child === undefined ? [] : [[nibble.toString(16), toHex(child)]]));
          for (const [nibble, child] of ours.children().entries()) assert.deepEqual(ours.child(nibble), child);
          const value = ours.hasValue ? ours.bytes.subarray(ours.valueStart, ours.valueEnd) : undefined;
          const theirValue = 'value' in theirs ? theirs.value : undefined;
          // Theirs has the length in front of a value that stands in the node.
          assert.equal(theirValue === undefined, value === undefined);
          assert.ok(value === undefined || theirValue?.endsWith(toHex(value).slice(2)) === true);
          assert.equal(ours.isBranch, children !== undefined);
          assert.deepEqual(Object.fromEntries(ourChildren), children ?? {});
        }
      }),
      { numRuns: 60, examples: [[everyKind, 1]] },
    );
    assert.deepEqual([...kinds].sort(), ['Branch', 'BranchWithHash', 'BranchWithVal', 'Leaf', 'LeafWithHash']);
  });

  it('knows the empty trie, and refuses what is no node', () => {
    assert.equal(decodeTrieNode(Uint8Array.of(0)), undefined);
    const bad = [
      '',
      '01',
      '0000',
      '08',
      '41',
      '410f',
      '4101',
      '42001c',
      '82ff',
      '8200',
      '80010084',
      '40040102',
      '5f',
      '3f',
    ];
    for (const hex of bad) {
      thrown(() => decodeTrieNode(fromHex(`0x${hex}`)), 'bad-proof');
      const among = fromHex(`0x${hex}${'00'.repeat(80)}`);
      thrown(() => decodeTrieNode(among, 0, hex.length / 2), 'bad-proof');
    }
  });

  it('reads partial keys of any length', () => {
    for (const length of [0, 1, 2, 61, 62, 63, 64, 317, 318, 319, 600]) {
      const key =
        '0'.repeat(length % 2 === 0 ? 0 : 1) + 'ab'.repeat(Math.ceil(length / 2)).slice(0, length - (length % 2));
      const digits = key.slice(0, length);
      const [encoded] = truthOf(new Map([[digits, '01']])).proof([digits]);
      assert.equal(decodeTrieNode(fromHex(encoded as `0x${string}`))?.partial, digits);
    }
  });
});

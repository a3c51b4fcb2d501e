import assert from 'node:assert/strict';
import fc from 'fast-check';
import { emptyMap, type KnownMap } from '../../../src/chain/trie/known-map.ts';
import { findSubtree, lookUp } from '../../../src/chain/trie/look-up.ts';
import { ProofNodes } from '../../../src/chain/trie/proof-nodes.ts';
import { MapReading, readEntries } from '../../../src/chain/trie/map-reading.ts';
import { findChanges, type MapChanges } from '../../../src/chain/trie/walk-map.ts';
import { toHex } from '../../../src/codec/index.ts';
import { isRelayError } from '../../../src/errors/index.ts';
import { bytesOf, changesOf, hash, mapKeys, mapPrefix, mapValues, prove, stateWith, truthOf } from './support.ts';

/** Puts changed parts into a copy, and checks what they say of what was there. */
function applyTo(copy: Map<string, string>, { parts }: MapChanges): void {
  for (const { slot, before, entries } of parts) {
    const there = [...copy.keys()].filter((key) => key.startsWith(slot));
    assert.equal(there.length, before, `entries before under "${slot}"`);
    there.forEach((key) => copy.delete(key));
    for (const [key, value] of entries) copy.set(key.slice(mapPrefix.length), toHex(value).slice(2));
  }
}

const sorted = (map: ReadonlyMap<string, string>) => [...map].sort(([a], [b]) => (a < b ? -1 : 1));

describe('findChanges', () => {
  const step = fc.record({
    put: fc.array(fc.tuple(mapKeys, mapValues), { maxLength: 60 }),
    remove: fc.array(fc.nat({ max: 1_000 }), { maxLength: 20 }),
  });

  it('brings a copy of the map to any later state, and knows how many entries it has', () => {
    fc.assert(
      fc.property(
        fc.array(step, { minLength: 1, maxLength: 6 }),
        fc.constantFrom(0 as const, 1 as const),
        (steps, version) => {
          const map = new Map<string, string>();
          const copy = new Map<string, string>();
          let known: KnownMap = emptyMap;
          for (const { put, remove } of steps) {
            for (const [key, value] of put) map.set(key, value);
            const keys = [...map.keys()];
            for (const at of remove) if (keys.length > 0) map.delete(keys[at % keys.length]!);
            const { done } = prove(truthOf(stateWith(map), version), [mapPrefix], changesOf(mapPrefix, known));
            applyTo(copy, done);
            known = done.map;
            assert.deepEqual(sorted(copy), sorted(map));
            assert.equal(known.count, map.size);
          }
        },
      ),
    );
  });

  it('says all that there is where nothing was read, without a word on what one who asks may have had', () => {
    const nothing: KnownMap = { ...emptyMap, unreadAfter: '' };
    for (const keys of [[], [keyOf(1)], Array.from({ length: 40 }, (_, i) => keyOf(i))]) {
      const map = new Map(keys.map((key) => [key, '07']));
      const { done } = prove(truthOf(stateWith(map)), [mapPrefix], changesOf(mapPrefix, nothing));
      assert.deepEqual(
        done.parts.map(({ slot, before, entries }) => [slot, before, entries.length]),
        [['', undefined, keys.length]],
      );
      assert.deepEqual([done.map.count, done.map.unreadAfter], [keys.length, undefined]);
    }
  });

  it('reads nothing but the way to the map where nothing changed', () => {
    const map = new Map(Array.from({ length: 500 }, (_, i) => [keyOf(i), '07'.repeat(40)]));
    const first = prove(truthOf(stateWith(map)), [mapPrefix], changesOf(mapPrefix, emptyMap));
    const others = stateWith(map).set('00', 'ff');
    const again = prove(truthOf(others), [mapPrefix], changesOf(mapPrefix, first.done.map));
    assert.deepEqual(again.done, { parts: [], map: first.done.map });
    assert.equal(again.rounds, 1);
    assert.ok(again.nodes.size <= 4);
  });

  it('reads as much as changed, not as much as there is', () => {
    const map = new Map(Array.from({ length: 4_000 }, (_, i) => [keyOf(i), '07'.repeat(40)]));
    const first = prove(truthOf(stateWith(map)), [mapPrefix], changesOf(mapPrefix, emptyMap));
    for (let i = 0; i < 5; i++) map.set(keyOf(i * 700), '08');
    const { done, nodes } = prove(truthOf(stateWith(map)), [mapPrefix], changesOf(mapPrefix, first.done.map));
    assert.ok(done.parts.length <= 5);
    assert.ok(nodes.size < 5 * 60, `${nodes.size} nodes`);
  });

  it('reads in proportion to what changed, of a map of any size', () => {
    const read = new Map<number, readonly number[]>();
    for (const size of [1_250, 5_000, 20_000]) {
      const map = new Map(Array.from({ length: size }, (_, i) => [keyOf(i), '07'.repeat(40)]));
      const everything = [mapPrefix, ...Array.from(map.keys(), (key) => mapPrefix + key)];
      const { done: first } = prove(truthOf(stateWith(map)), everything, changesOf(mapPrefix, emptyMap));
      const nodesRead = [5, 50].map((count) => {
        const later = new Map(map);
        for (let i = 0; i < count; i++) later.set(keyOf(i * Math.floor(size / count)), '08');
        return prove(truthOf(stateWith(later)), [mapPrefix], changesOf(mapPrefix, first.map)).nodes.size;
      });
      read.set(size, nodesRead);
    }
    for (const [size, [few = 0, many = 0]] of read) {
      assert.ok(few <= 15 * 5 && many <= 15 * 50, `${few} and ${many} nodes of ${size} entries`);
      assert.ok(many >= 5 * few && many <= 11 * few, `${few} nodes for 5 changes, ${many} for 50, of ${size} entries`);
    }
    // Where between two powers of 16 a size lies counts: how many entries a part has that is read whole.
    const [[, small = 0] = [], [, large = 0] = []] = [read.get(1_250), read.get(20_000)];
    assert.ok(large <= 1.25 * small, `${small} nodes of 1 250 entries, ${large} of 20 000`);
  });

  it('is told by a proof that was tampered with nothing but the truth, or nothing', () => {
    const before = new Map(Array.from({ length: 60 }, (_, i) => [keyOf(i), '07'.repeat(i % 40)]));
    const { done: first } = prove(truthOf(stateWith(before)), [mapPrefix], changesOf(mapPrefix, emptyMap));
    const after = new Map(before).set(keyOf(3), '09'.repeat(33)).set('f'.repeat(8), '01');
    after.delete(keyOf(7));
    const truth = truthOf(stateWith(after));
    const honest = prove(truth, [mapPrefix], changesOf(mapPrefix, first.map));
    const proof = truth.proof([mapPrefix, ...[...after.keys()].map((key) => mapPrefix + key)]);
    const outcomes = new Set<string>();
    fc.assert(
      fc.property(
        fc.nat(proof.length - 1),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        fc.boolean(),
        (which, at, flip, drop) => {
          const bytes = bytesOf(proof[which]!.slice(2));
          const place = at % bytes.length;
          bytes[place] = bytes[place]! ^ flip;
          const tampered = proof.map((node, i) => (i === which ? toHex(bytes) : node));
          const nodes = new ProofNodes(hash);
          nodes.add(drop ? tampered.filter((_, i) => i !== which) : tampered);
          const subtree = findSubtree(nodes, truth.root, mapPrefix);
          if (subtree === undefined) return void outcomes.add('missing');
          try {
            const result = findChanges(nodes, mapPrefix, subtree.is, first.map);
            if ('done' in result) assert.deepEqual(result.done.parts, honest.done.parts);
            outcomes.add('done' in result ? 'done' : 'missing');
          } catch (error) {
            assert.ok(isRelayError(error, 'bad-proof'));
          }
        },
      ),
      { numRuns: 500 },
    );
    assert.deepEqual([...outcomes].sort(), ['done', 'missing']);
  });

  it('does not take a node for the root that does not hash to it', () => {
    const lie = truthOf(stateWith(new Map([[keyOf(1), '01']])));
    const nodes = new ProofNodes(hash);
    nodes.add(lie.proof([mapPrefix]));
    assert.equal(findSubtree(nodes, truthOf(stateWith(new Map([[keyOf(1), '02']]))).root, mapPrefix), undefined);
  });
});

describe('readEntries', () => {
  const maps = fc.array(fc.tuple(mapKeys, mapValues), { maxLength: 120 }).map((entries) => new Map(entries));

  it('reads a map range by range, whatever ranges, and knows the same of it as who compared it', () => {
    fc.assert(
      fc.property(maps, fc.array(mapKeys, { maxLength: 8 }), (map, bounds) => {
        const truth = truthOf(stateWith(map));
        const reading = new MapReading(mapPrefix);
        const copy = new Map<string, string>();
        const ends = [...new Set(bounds)].sort().map((key) => mapPrefix + key);
        [...ends, ''].forEach((upTo, i) => {
          const { done } = prove(truth, [mapPrefix], entriesIn({ after: ends[i - 1] ?? '', upTo }));
          reading.add(done);
          for (const [key, value] of done.entries) copy.set(key.slice(mapPrefix.length), toHex(value).slice(2));
        });
        assert.deepEqual(sorted(copy), sorted(map));
        const { done } = prove(truth, [mapPrefix], changesOf(mapPrefix, reading.finish()));
        assert.deepEqual(done.parts, []);
        const compared = prove(truth, [mapPrefix], changesOf(mapPrefix, emptyMap)).done.map;
        assert.deepEqual(reading.finish(), compared);
      }),
    );
  });

  it('can break off anywhere: a comparison with a later state finds the rest', () => {
    fc.assert(
      fc.property(
        maps,
        fc.array(mapKeys, { minLength: 1, maxLength: 6 }),
        maps,
        fc.nat(6),
        (map, bounds, more, parts) => {
          const truth = truthOf(stateWith(map));
          const reading = new MapReading(mapPrefix);
          const copy = new Map<string, string>();
          const ends = [...new Set(bounds)].sort().map((key) => mapPrefix + key);
          const read = ends.slice(0, parts);
          read.forEach((upTo, i) => {
            const { done } = prove(truth, [mapPrefix], entriesIn({ after: ends[i - 1] ?? '', upTo }));
            reading.add(done);
            for (const [key, value] of done.entries) copy.set(key.slice(mapPrefix.length), toHex(value).slice(2));
          });
          const later = new Map([...[...map].filter((_, i) => i % 5 !== 0), ...more]);
          const { done } = prove(
            truthOf(stateWith(later)),
            [mapPrefix],
            changesOf(mapPrefix, reading.breakOff(read.at(-1) ?? '')),
          );
          for (const { slot, entries } of done.parts) {
            for (const key of [...copy.keys()]) if (key.startsWith(slot)) copy.delete(key);
            for (const [key, value] of entries) copy.set(key.slice(mapPrefix.length), toHex(value).slice(2));
          }
          assert.deepEqual(sorted(copy), sorted(later));
          assert.equal(done.map.count, later.size);
        },
      ),
    );
  });
});

describe('lookUp', () => {
  it('finds what is there and proves what is not', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(mapKeys, mapValues), { minLength: 1, maxLength: 50 }),
        mapKeys,
        (entries, other) => {
          const map = new Map(entries);
          const truth = truthOf(stateWith(map));
          for (const key of [...map.keys(), other]) {
            const nodes = new ProofNodes(hash);
            assert.equal(lookUp(nodes, truth.root, mapPrefix + key), undefined);
            nodes.add(truth.proof([mapPrefix + key]));
            const known = lookUp(nodes, truth.root, mapPrefix + key);
            assert.equal(known?.is && toHex(known.is).slice(2), map.get(key));
            assert.notEqual(known, undefined);
          }
        },
      ),
    );
  });
});

function entriesIn(range: { readonly after: string; readonly upTo: string }) {
  return (nodes: ProofNodes, root: Uint8Array) => {
    const subtree = findSubtree(nodes, root, mapPrefix);
    return subtree === undefined ? { missing: [mapPrefix] } : readEntries(nodes, mapPrefix, subtree.is, range);
  };
}

/** Spread as hashed keys are. */
function keyOf(i: number): string {
  return toHex(hash.binary(Uint8Array.of(i >> 8, i & 255))).slice(2, 18);
}

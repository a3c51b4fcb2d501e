import assert from 'node:assert/strict';
import { hashHeader, parseHeader } from '../../../src/chain/head/header.ts';
import { emptyMap, type KnownMap } from '../../../src/chain/trie/known-map.ts';
import { findSubtree, lookUp } from '../../../src/chain/trie/look-up.ts';
import { MapReading, readEntries } from '../../../src/chain/trie/map-reading.ts';
import { ProofNodes } from '../../../src/chain/trie/proof-nodes.ts';
import { findChanges, type Done, type MapChanges, type Missing } from '../../../src/chain/trie/walk-map.ts';
import { fromHex, toHex, type Hex } from '../../../src/codec/index.ts';
import { isRelayError } from '../../../src/errors/index.ts';
import { mapNames, type MapName, type ProofVectors, type RecordedState } from '../../vectors/proofs.ts';
import recorded from '../../vectors/proofs.json' with { type: 'json' };
import { withCode } from '../support.ts';
import { hash } from './support.ts';

const { nodes: listed, prefixes, states, changes, tampered } = recorded as unknown as ProofVectors;

function hexOf(proof: readonly number[]): Hex[] {
  return proof.map((place) => listed[place]!);
}

function nodesOf(proof: readonly Hex[]): ProofNodes {
  const nodes = new ProofNodes(hash);
  nodes.add(proof);
  return nodes;
}

function compare(
  map: MapName,
  { header }: RecordedState,
  proof: readonly Hex[],
  known: KnownMap,
): Done<MapChanges> | Missing {
  const nodes = nodesOf(proof);
  const prefix = prefixes[map].slice(2);
  const subtree = findSubtree(nodes, fromHex(header.stateRoot), prefix);
  return subtree === undefined ? { missing: [prefix] } : findChanges(nodes, prefix, subtree.is, known);
}

/** What is known of a state by the proof of all of its entries. */
function knownOf(map: MapName, state: RecordedState): KnownMap {
  const result = compare(map, state, hexOf(state.maps[map].proof), emptyMap);
  assert.ok('done' in result);
  return result.done.map;
}

const isRefused = (work: () => Done<MapChanges> | Missing): boolean => {
  try {
    return 'missing' in work();
  } catch (error) {
    return isRelayError(error, 'bad-proof');
  }
};

describe('proofs as a real node gave them', () => {
  it('are of blocks whose headers hash to their hashes', () => {
    assert.ok(states.length > 5);
    for (const { hash: block, header } of states) assert.equal(hashHeader(parseHeader(header)), block);
  });

  it('are of headers that can not be cut into other fields with the same hash', () => {
    for (const { header } of states) {
      const { parentHash, stateRoot, extrinsicsRoot } = parseHeader(header);
      const recuts = [
        { stateRoot: stateRoot.slice(0, -2), extrinsicsRoot: `0x${stateRoot.slice(-2)}${extrinsicsRoot.slice(2)}` },
        { stateRoot: `${stateRoot}${extrinsicsRoot.slice(2, 4)}`, extrinsicsRoot: `0x${extrinsicsRoot.slice(4)}` },
        { parentHash: `${parentHash}04` },
        { stateRoot: '0x00' },
      ];
      for (const recut of recuts) assert.throws(() => parseHeader({ ...header, ...recut }), withCode('rpc-failed'));
    }
  });

  it('say nothing under a root that is no hash', () => {
    const nodes = nodesOf(hexOf(states[0]!.maps.workers.proof));
    const empty = Uint8Array.of(0);
    assert.throws(() => lookUp(nodes, empty, prefixes.workers.slice(2)), withCode('bad-proof'));
    assert.throws(() => findSubtree(nodes, empty, prefixes.workers.slice(2)), withCode('bad-proof'));
  });

  for (const map of mapNames)
    for (const state of states)
      it(`show all of ${map}, and that there is no more: ${state.what}`, () => {
        const { entries, proof } = state.maps[map];
        const prefix = prefixes[map].slice(2);
        const root = fromHex(state.header.stateRoot);
        const nodes = nodesOf(hexOf(proof));
        const subtree = findSubtree(nodes, root, prefix);
        assert.ok(subtree !== undefined);
        const middle = entries[entries.length >> 1]?.[0].slice(2) ?? '';
        const reading = new MapReading(prefix);
        const found: [Hex, Hex][] = [];
        for (const range of middle === ''
          ? [{ after: '', upTo: '' }]
          : [
              { after: '', upTo: middle },
              { after: middle, upTo: '' },
            ]) {
          const read = readEntries(nodes, prefix, subtree.is, range);
          assert.ok('done' in read);
          reading.add(read.done);
          for (const [key, value] of read.done.entries) found.push([`0x${key}`, toHex(value)]);
        }
        assert.deepEqual(found, entries);
        assert.deepEqual(reading.finish(), knownOf(map, state));
        for (const [key, value] of entries) {
          const known = lookUp(nodes, root, key.slice(2));
          assert.equal(known?.is && toHex(known.is), value);
        }
      });

  it('show what changed, from any state to a later or an earlier one', () => {
    for (const { map, from, to, proof } of changes) {
      const known = knownOf(map, states[from]!);
      const result = compare(map, states[to]!, hexOf(proof), known);
      assert.ok('done' in result, `${map} from ${from} to ${to}`);
      const copy = new Map(states[from]!.maps[map].entries);
      for (const { slot, before, entries } of result.done.parts) {
        const there = [...copy.keys()].filter((key) => key.startsWith(prefixes[map] + slot));
        assert.equal(there.length, before);
        there.forEach((key) => copy.delete(key));
        for (const [key, value] of entries) copy.set(`0x${key}`, toHex(value));
      }
      assert.deepEqual([...copy].sort(), [...states[to]!.maps[map].entries].sort());
      assert.deepEqual(result.done.map, knownOf(map, states[to]!));
    }
  });

  it('are a few nodes where nothing changed', () => {
    const quiet = states.findIndex(({ what }) => what.startsWith('nothing'));
    const ofQuiet = changes.filter(({ from, to }) => from === quiet - 1 && to === quiet);
    assert.equal(ofQuiet.length, 2);
    for (const { map, from, to, proof } of ofQuiet) {
      const result = compare(map, states[to]!, hexOf(proof), knownOf(map, states[from]!));
      assert.ok('done' in result);
      assert.deepEqual(result.done.parts, []);
      assert.ok(proof.length <= 4);
    }
  });

  it('are refused where they were tampered with', () => {
    assert.ok(tampered.length > 50);
    for (const { what, map, from, to, proof } of tampered)
      assert.ok(
        isRefused(() => compare(map, states[to]!, hexOf(proof), knownOf(map, states[from]!))),
        `${what}: ${map} from ${from} to ${to}`,
      );
  });

  it('are refused without any one of their nodes, and with a byte of any one changed', () => {
    for (const { map, from, to, proof } of changes) {
      const known = knownOf(map, states[from]!);
      const honest = hexOf(proof);
      const all = honest.map((_, at) => honest.toSpliced(at, 1));
      const flipped = honest.map((item, at) =>
        honest.with(at, `${item.slice(0, -1)}${item.endsWith('0') ? '1' : '0'}` as Hex),
      );
      for (const lie of [...all, ...flipped]) {
        const refused = isRefused(() => compare(map, states[to]!, lie, known));
        if (refused) continue;
        // A node that tells nothing of this map may be missing: then the truth is found without it.
        const result = compare(map, states[to]!, lie, known);
        assert.ok('done' in result);
        assert.deepEqual(result.done.map, knownOf(map, states[to]!));
      }
    }
  });
});

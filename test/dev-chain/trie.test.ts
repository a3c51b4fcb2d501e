import assert from 'node:assert/strict';
import { calculate_state_root, decode_proof } from '@acala-network/chopsticks-executor';
import fc from 'fast-check';
import type { Hex } from '../../src/codec/index.ts';
import { loadHashing, type Hashing } from '../../src/dev-chain/hashing.ts';
import { ChainState } from '../../src/dev-chain/state/chain-state.ts';

/** Few digits, so that keys share beginnings and are beginnings of one another. */
const key = fc
  .array(fc.constantFrom('00', '01', '10', '1f', 'ff'), { minLength: 1, maxLength: 5 })
  .map((bytes): Hex => `0x${bytes.join('')}`);
/** Around the 32 bytes at which values move out of their node. */
const value = fc.uint8Array({ maxLength: 70 }).map((bytes): Hex => `0x${Buffer.from(bytes).toString('hex')}`);
const entries = fc.uniqueArray(fc.tuple(key, value), { maxLength: 40, selector: ([name]) => name });
const changes = fc.array(fc.tuple(key, fc.option(value)), { maxLength: 40 });

describe('dev-chain: the state', () => {
  let hashing: Hashing;

  before(async () => {
    hashing = await loadHashing();
  });

  for (const version of [0, 1] as const) {
    it(`has the root that chopsticks computes in layout ${version}`, async () => {
      await fc.assert(
        fc.asyncProperty(entries, async (given) => {
          const root = ChainState.from(given, hashing).root(version);
          assert.equal(root, await calculate_state_root(given, version));
        }),
        { numRuns: 60 },
      );
    });
  }

  it('is the same however it came about', () => {
    fc.assert(
      fc.property(entries, changes, (given, changed) => {
        const model = new Map(given);
        for (const [name, to] of changed) {
          if (to === null) model.delete(name);
          else model.set(name, to);
        }
        const changedState = ChainState.from(given, hashing).with(changed);
        assert.equal(changedState.root(1), ChainState.from(model, hashing).root(1));
        for (const [name] of [...given, ...changed]) assert.equal(changedState.get(name), model.get(name));
      }),
    );
  });

  it('keeps what it was when another is made of it', () => {
    fc.assert(
      fc.property(entries, changes, (given, changed) => {
        const state = ChainState.from(given, hashing);
        const root = ChainState.from(given, hashing).root(1);
        state.with(changed);
        assert.equal(state.root(1), root);
      }),
    );
  });

  it('pages its keys in order, by prefix', () => {
    fc.assert(
      fc.property(entries, key, fc.integer({ min: 1, max: 7 }), (given, prefix, page) => {
        const state = ChainState.from(given, hashing);
        const all = given.map(([name]) => name).sort();
        const found: Hex[] = [];
        for (let last = prefix; ; last = found.at(-1)!) {
          const keys = state.keys(prefix, last, page);
          found.push(...keys);
          if (keys.length < page) break;
        }
        assert.deepEqual(
          found,
          all.filter((name) => name.startsWith(prefix) && name !== prefix),
        );
      }),
    );
  });

  it('proves what it holds against its root', async () => {
    await fc.assert(
      fc.asyncProperty(entries, fc.array(key, { minLength: 1, maxLength: 4 }), async (given, asked) => {
        fc.pre(given.length > 0);
        const state = ChainState.from(given, hashing);
        const proof = state.proof(asked, 1);
        const proven = new Map((await decode_proof(state.root(1), proof)) as [Hex, Hex][]);
        for (const name of asked) assert.equal(proven.get(name), state.get(name));
      }),
      { numRuns: 60 },
    );
  });

  it('has the root and the proofs of either layout, whichever it was asked for before', async () => {
    await fc.assert(
      fc.asyncProperty(entries, fc.array(key, { minLength: 1, maxLength: 4 }), async (given, asked) => {
        fc.pre(given.length > 0);
        const state = ChainState.from(given, hashing);
        for (const version of [0, 1, 0] as const) {
          const root = state.root(version);
          assert.equal(root, await calculate_state_root(given, version));
          const proven = new Map((await decode_proof(root, state.proof(asked, version))) as [Hex, Hex][]);
          for (const name of asked) assert.equal(proven.get(name), state.get(name));
        }
      }),
      { numRuns: 60 },
    );
  });
});

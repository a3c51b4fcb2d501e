import assert from 'node:assert/strict';
import type { BlockView, Head } from '../../src/chain/index.ts';
import type { Hex } from '../../src/codec/index.ts';
import { RelayError } from '../../src/errors/index.ts';
import { firstWithState } from '../../src/worker-state/first-with-state.ts';
import { headOf } from './support.ts';

const { signal } = new AbortController();

/** A chain of so many blocks, the states of which are gone below one. */
function prunedChain(length: number, kept: number) {
  let reads = 0;
  const hasState = (hash: Hex): boolean => {
    const number = Number(hash);
    return number >= kept && number <= length && headOf(number).hash === hash;
  };
  const gatekeepers = (hash: Hex) => (): Promise<Hex[]> => {
    reads++;
    return hasState(hash)
      ? Promise.resolve([])
      : Promise.reject(new RelayError('state-discarded', { details: { block: hash, reason: 'a test' } }));
  };
  return {
    get reads() {
      return reads;
    },
    headAt: (number: number) => Promise.resolve(number <= length ? headOf(number) : undefined),
    at: (hash: Hex) => ({ gatekeepers: gatekeepers(hash) }) as unknown as BlockView,
  };
}

describe('the first block that still has a state', () => {
  const from = (length: number, kept: number, newest: Head): Promise<number> =>
    firstWithState(prunedChain(length, kept), headOf(10), () => Promise.resolve(newest), signal);

  it('is found in a few reads, however many are gone', async () => {
    const chain = prunedChain(9_000_000, 8_999_745);
    assert.equal(await firstWithState(chain, headOf(10), () => Promise.resolve(headOf(9_000_000)), signal), 8_999_745);
    assert.ok(chain.reads < 20, String(chain.reads));
  });

  it('is the next one where a made-up block is said to be the newest, whatever its number', async () => {
    assert.equal(await from(200, 150, headOf(9_000_000)), 11);
    assert.equal(await from(200, 150, { ...headOf(160), hash: `0x${'12'.repeat(32)}` }), 11);
  });

  it('is not above one that the node in use does not have yet', async () => {
    const late = {
      ...prunedChain(200, 150),
      headAt: (number: number) => Promise.resolve(number <= 120 ? headOf(number) : undefined),
    };
    assert.equal(await firstWithState(late, headOf(10), () => Promise.resolve(headOf(200)), signal), 121);
  });

  it('is the next one where the newest one has no state either', async () => {
    assert.equal(await from(200, 201, headOf(200)), 11);
  });
});

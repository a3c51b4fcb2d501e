import assert from 'node:assert/strict';
import { toHex, type Hex } from '../../src/codec/index.ts';
import { hashHeader, type Header } from '../../src/chain/head/header.ts';
import { HeaderChain, type HeaderChainParts } from '../../src/chain/head/header-chain.ts';

const root = (number: number): Hex => {
  const bytes = new Uint8Array(32);
  new DataView(bytes.buffer).setUint32(0, number);
  return toHex(bytes);
};

describe('chain: headers of a backlog longer than one piece holds', () => {
  it('are linked down to its begin, then given in pieces: each block once, in order, with its own root', async () => {
    const count = 40_000;
    const hashes: Hex[] = [root(0)];
    const headers = new Map<Hex, unknown>();
    for (let number = 1; number <= count; number++) {
      const header: Header = {
        number,
        parentHash: hashes[number - 1] ?? root(0),
        stateRoot: root(number),
        extrinsicsRoot: root(0),
        digest: [],
      };
      const hash = hashHeader(header);
      hashes.push(hash);
      headers.set(hash, { ...header, number: `0x${number.toString(16)}`, digest: { logs: [] } });
    }
    let asked = 0;
    const url = 'ws://node';
    const parts = {
      connection: { stopped: new AbortController().signal, leave: () => assert.fail('it says the truth') },
      blocks: {
        askAll: async (requests: readonly { readonly block: Hex }[]) => {
          asked += requests.length;
          return requests.map(({ block }) => ({ result: headers.get(block), url }));
        },
      },
      hashes: { of: async (first: number, last: number) => ({ hashes: hashes.slice(first, last + 1), url }) },
      hashOf: hashHeader,
      // What one connection offers, as far as it is used here.
    } as unknown as HeaderChainParts;
    const chain = new HeaderChain(parts);
    let next = 1;
    let pieces = 0;
    for await (const piece of chain.segments(1, { number: count, hash: hashes[count] ?? root(0) })) {
      pieces += 1;
      assert.equal(piece.first, next);
      assert.equal(piece.parentHash, hashes[next - 1]);
      assert.ok(piece.last.number - piece.first < 16_384, 'no more is held at once');
      for (; next <= piece.last.number; next++)
        assert.deepEqual([piece.hash(next), piece.stateRoot(next)], [hashes[next], root(next)]);
    }
    assert.equal(next, count + 1);
    assert.equal(pieces, 3);
    assert.ok(asked > count && asked <= 2 * count, 'those above the first piece are read twice');
  }).timeout(60_000);
});

import assert from 'node:assert/strict';
import { toHex, type Hex } from '../../src/codec/index.ts';
import { hashHeader, type Header } from '../../src/chain/head/header.ts';
import { HeaderChain, type HeaderChainParts } from '../../src/chain/head/header-chain.ts';
import { RelayError } from '../../src/errors/index.ts';
import { withCode } from './support.ts';

const root = (number: number): Hex => {
  const bytes = new Uint8Array(32);
  new DataView(bytes.buffer).setUint32(0, number);
  return toHex(bytes);
};

/** Blocks from a genesis up, each with `rootOf` its number; and their headers, as a node gives them. */
function linked(count: number, rootOf = root): { hashes: Hex[]; headers: Map<Hex, unknown> } {
  const hashes: Hex[] = [root(0)];
  const headers = new Map<Hex, unknown>();
  for (let number = 1; number <= count; number++) {
    const header: Header = {
      number,
      parentHash: hashes[number - 1] ?? root(0),
      stateRoot: rootOf(number),
      extrinsicsRoot: root(0),
      digest: [],
    };
    const hash = hashHeader(header);
    hashes.push(hash);
    headers.set(hash, { ...header, number: `0x${number.toString(16)}`, digest: { logs: [] } });
  }
  return { hashes, headers };
}

describe('chain: headers of a backlog longer than one piece holds', () => {
  it('are linked down to its begin, then given in pieces: each block once, in order, with its own root', async () => {
    const count = 40_000;
    const { hashes, headers } = linked(count);
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

describe('chain: headers where what a node gives by number does not lead to the block they are held against', () => {
  const count = 6;
  const real = linked(count);
  const invented = linked(count, (number) => root(number + 100));
  const last = { number: count, hash: real.hashes[count] ?? root(0) };
  const [odd, other] = ['ws://odd', 'ws://other'];

  /** Of two nodes: one gives made-up blocks by number, until it is left; the other has the real ones. */
  function read(has: Hex | undefined | Error, agreed: Hex | Error | undefined) {
    const left: [url: string, code: string][] = [];
    const parts = {
      connection: {
        stopped: new AbortController().signal,
        options: { timeoutMs: 1_000 },
        leave: (url: string, { code }: RelayError) => void left.push([url, code]),
      },
      blocks: {
        askAll: async (requests: readonly { readonly block: Hex }[]) =>
          requests.map(({ block }) => ({ result: real.headers.get(block) ?? invented.headers.get(block), url: other })),
      },
      hashes: {
        of: async (first: number, last: number) => {
          const { hashes } = left.length === 0 ? invented : real;
          return { hashes: hashes.slice(first, last + 1), url: left.length === 0 ? odd : other };
        },
        forget: () => undefined,
      },
      finalized: {
        hashAt: async (url: string, number: number) => {
          assert.deepEqual([url, number], [odd, count]);
          return given(has);
        },
      },
      quorum: { trust: agreed === undefined ? 'single' : 'quorum', hashAt: async () => given(agreed) },
      hashOf: hashHeader,
      // What one connection offers, as far as it is used here.
    } as unknown as HeaderChainParts;
    const heads = async (): Promise<Hex[]> => {
      const found: Hex[] = [];
      for await (const segment of new HeaderChain(parts).segments(1, last))
        found.push(...Array.from(segment.heads(), ({ hash }) => hash));
      return found;
    };
    return { heads, left };
  }
  function given<T>(answer: T | Error): T {
    if (answer instanceof Error) throw answer;
    return answer;
  }
  const refusal = new RelayError('rpc-failed', { details: { method: 'chain_getBlockHash', reason: 'no' } });
  const noQuorum = new RelayError('no-quorum', { details: { about: 'block 6', size: 2, said: 'nothing' } });

  for (const [what, has, agreed] of [
    ['says itself that it has that block', last.hash, undefined],
    ['says that it has another one, and enough agree that it is that one', root(1), last.hash],
    ['does not say which one it has, and enough agree that it is that one', refusal, last.hash],
  ] as const)
    it(`are read of another one, and it is left, where it ${what}`, async () => {
      const { heads, left } = read(has, agreed);
      assert.deepEqual(await heads(), real.hashes.slice(1));
      assert.deepEqual(left, [[odd, 'node-lies']]);
    });

  for (const [what, has, agreed] of [
    ['it has another one, and one node is believed', root(1), undefined],
    ['it has not finalized that one, and one node is believed', undefined, undefined],
    ['it has another one, and too few say which it is', root(1), noQuorum],
    ['it has another one, and enough agree on that', root(1), root(1)],
  ] as const)
    it(`are given up, and nobody is blamed, where ${what}`, async () => {
      const { heads, left } = read(has, agreed);
      await assert.rejects(heads(), withCode('state-discarded', last.hash));
      assert.deepEqual(left, []);
    });
});

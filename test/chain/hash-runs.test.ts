import assert from 'node:assert/strict';
import { HashRuns, type HashRunsParts } from '../../src/chain/head/hash-runs.ts';
import type { Hex } from '../../src/codec/index.ts';

describe('hashes of many blocks', () => {
  it('are read once for all who want the same, and anew where who gave them was left since', async () => {
    const left = new Set<string>();
    const [liar, honest] = ['ws://a.example', 'ws://b.example'];
    const asked: string[] = [];
    const present = (): string => (left.has(liar) ? honest : liar);
    const hashes = (url: string): Hex[] =>
      Array.from({ length: 3 }, (): Hex => `0x${(url === liar ? '1' : '2').repeat(64)}`);
    const runs = new HashRuns({
      connection: {
        ...{ options: { endpoints: [liar, honest], backoff: {} }, stopped: new AbortController().signal },
        hasLeft: (url: string) => left.has(url),
        session: () => Promise.resolve({ id: 1, socket: { url: present(), isOpen: true } }),
        ask: () => {
          asked.push(present());
          return Promise.resolve({ result: hashes(present()), url: present() });
        },
      },
      blocks: { hasFinalized: () => Promise.resolve(true) },
      refusals: { answered: () => undefined },
      // What is not used here is left out.
    } as unknown as HashRunsParts);
    assert.deepEqual(await Promise.all([runs.of(1, 3), runs.of(1, 3)]), [
      { hashes: hashes(liar), url: liar },
      { hashes: hashes(liar), url: liar },
    ]);
    left.add(liar);
    assert.deepEqual(await runs.of(1, 3), { hashes: hashes(honest), url: honest });
    assert.deepEqual((await runs.of(1, 3)).url, honest);
    assert.deepEqual(asked, [liar, honest]);
  });
});

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { createVerifier, keyPairFromSeed, ready, signWith, type VerifyRequest } from '../../../src/crypto/index.ts';
import { ThreadPool } from '../../../src/crypto/verifier/thread-pool.ts';
import { compileBatchModule } from '../../../src/crypto/batch-module.ts';
import { packSigned } from '../../../src/crypto/sr25519.ts';
import { rejected } from '../../support/expect-error.ts';
import { flipped } from '../../support/hostile-keys.ts';

for (const threads of [0, 1, 2])
  describe(`verifier with ${threads} threads`, () => {
    let items: VerifyRequest[];
    before(async () => {
      await ready();
      const pairs = [1, 2, 3].map((n) => keyPairFromSeed(new Uint8Array(32).fill(n)));
      items = Array.from({ length: 300 }, (_, i) => {
        const pair = pairs[i % 3]!;
        const message = new TextEncoder().encode(`message ${i}`);
        return { publicKey: pair.publicKey, message, signature: signWith(pair, message) };
      });
    });
    const bad = (item: VerifyRequest): VerifyRequest => ({ ...item, signature: flipped(item.signature, 290) });

    it('verifies one alone, and many at once, each for itself', async () => {
      await using verifier = await createVerifier({ threads });
      assert.equal(await verifier.verify(items[0]!), true);
      const mixed = items.map((item, i) => (i % 50 === 7 ? bad(item) : item));
      const verdicts = await Promise.all(mixed.map((item) => verifier.verify(item)));
      assert.deepEqual(
        verdicts,
        mixed.map((_, i) => i % 50 !== 7),
      );
      assert.equal(verifier.pending, 0);
    });

    it('goes on for the others where one lane sends bad ones only', async () => {
      let now = 0;
      await using verifier = await createVerifier({ threads, maxBatch: 32, now: () => now });
      const attacker = {};
      for (let round = 0; round < 3; round++) {
        const sent = items
          .slice(0, 60)
          .map((item, i) => (i % 4 === 0 ? { ...bad(item), lane: attacker } : { ...item, lane: i }));
        const verdicts = await Promise.all(sent.map((item) => verifier.verify(item)));
        assert.deepEqual(
          verdicts,
          sent.map((_, i) => i % 4 !== 0),
        );
        now += round * 60_000;
      }
      assert.equal(await verifier.verify({ ...items[0]!, lane: attacker }), true);
    });

    it('refuses more than its queue holds, and takes it again later', async () => {
      await using verifier = await createVerifier({ threads, maxQueue: 10 });
      const waiting = items.slice(0, 10).map((item) => verifier.verify(item));
      assert.equal(verifier.pending, 10);
      await rejected(verifier.verify(items[10]!), 'verifier-busy');
      assert.ok((await Promise.all(waiting)).every(Boolean));
      assert.equal(await verifier.verify(items[10]!), true);
    });

    it('lets nobody fill the queue for the others', async () => {
      await using verifier = await createVerifier({ threads, maxQueue: 32 });
      const of = (lane: string, item: (typeof items)[number]) => verifier.verify({ ...item, lane });
      const taken = items.slice(0, 16).map((item) => of('greedy', item));
      await rejected(of('greedy', items[16]!), 'verifier-busy');
      for (const lane of ['another', 'a third']) taken.push(...items.slice(0, 4).map((item) => of(lane, item)));
      await rejected(of('another', items[4]!), 'verifier-busy');
      taken.push(verifier.verify(items[5]!));
      assert.ok((await Promise.all(taken)).every(Boolean));
      assert.equal(await of('greedy', items[16]!), true);
    });

    it('answers false, at once, to what has no right length', async () => {
      await using verifier = await createVerifier({ threads });
      const { publicKey, message, signature } = items[0]!;
      assert.equal(await verifier.verify({ publicKey: publicKey.subarray(1), message, signature }), false);
      assert.equal(await verifier.verify({ publicKey, message, signature: new Uint8Array(65) }), false);
      assert.equal(await verifier.verify({ publicKey, message: new Uint8Array(3_000_000), signature }), false);
    });

    it('finishes what it took when it is closed, and takes no more', async () => {
      const verifier = await createVerifier({ threads });
      const waiting = items.map((item) => verifier.verify(item));
      await Promise.all([verifier.close(), verifier.close()]);
      assert.ok((await Promise.all(waiting)).every(Boolean));
      await rejected(verifier.verify(items[0]!), 'verifier-closed');
    });
  });

describe('verifier: its threads', () => {
  before(ready);

  it('give back what they had when they die; the verifier goes on without them', async () => {
    const pair = keyPairFromSeed(new Uint8Array(32).fill(1));
    const message = Uint8Array.of(1);
    const item = { publicKey: pair.publicKey, message, signature: signWith(pair, message) };
    const pool = new ThreadPool(1, await compileBatchModule());
    const answers = [1, 2].map(
      () =>
        new Promise<Uint8Array | undefined>((resolve) =>
          pool.run({ packed: packSigned(Array(100).fill(item)), count: 100, apart: false }, resolve),
        ),
    );
    assert.equal(pool.hasRoom, false);
    await pool.end();
    for (const answer of answers) assert.ok([undefined, 100].includes((await answer)?.length));
    assert.equal(pool.size, 0);
    const after = await new Promise((resolve) =>
      pool.run({ packed: packSigned([item]), count: 1, apart: false }, resolve),
    );
    assert.equal(after, undefined);
  });

  it('do not keep a process running', async () => {
    const script = `
      const { createVerifier } = await import(${JSON.stringify(new URL('../../../src/crypto/index.ts', import.meta.url).href)});
      const verifier = await createVerifier({ threads: 2 });
      console.log(await verifier.verify({ publicKey: new Uint8Array(32), message: new Uint8Array(), signature: new Uint8Array(64) }));
    `;
    const args = ['--import', 'tsx/esm', '--input-type=module', '-e', script];
    const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 30_000 });
    assert.equal(stdout.trim(), 'false');
  });
});

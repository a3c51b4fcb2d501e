import assert from 'node:assert/strict';
import { keyPairFromSeed, ready } from '../../src/crypto/index.ts';
import type { Hex } from '../../src/codec/index.ts';
import { devWorker, startDevChain } from '../../src/dev-chain/index.ts';
import { connect, RawClient } from './support.ts';

const hex = (bytes: Uint8Array): Hex => `0x${Buffer.from(bytes).toString('hex')}`;

describe('dev-chain: workers', () => {
  it('are registered with endpoints from the first block on', async () => {
    await using chain = await startDevChain({ workers: 32 });
    await using client = await connect(chain.ws);
    assert.equal(chain.workers.length, 32);
    for (const hash of [chain.genesisHash, chain.head.hash]) {
      const { phalaRegistry } = (await client.api.at(hash)).query;
      const entries = await phalaRegistry.workers.entries();
      const ids = entries.map(([key]) => key.args[0].toHex()).sort();
      assert.deepEqual(ids, Array.from(chain.workers, ({ identity }) => identity).sort());
      for (const { identity, ecdh, endpoints } of chain.workers) {
        const info = (await phalaRegistry.workers(identity)).toJSON() as Record<string, unknown>;
        assert.equal(info['pubkey'], identity);
        assert.equal(info['ecdhPubkey'], ecdh);
        const stored = (await phalaRegistry.endpoints(identity)).toHuman();
        assert.deepEqual(stored, { V1: endpoints });
        assert.equal((await phalaRegistry.workerAddedAt(identity)).toString(), '0');
      }
    }
  });

  it('are the same on every chain, and anyone may act as them', async () => {
    await ready();
    const worker = await devWorker(3);
    assert.equal(hex(keyPairFromSeed(worker.identitySeed).publicKey), worker.identity);
    assert.equal(hex(keyPairFromSeed(worker.ecdhSeed).publicKey), worker.ecdh);
    await using chain = await startDevChain({ workers: 4 });
    assert.deepEqual(chain.workers.at(3), worker);
    assert.equal(chain.workers.at(4), undefined);
  });

  it('make the genesis hash: the same options give the same chain', async () => {
    const starts = [{ workers: 2 }, { workers: 2 }, { workers: 3 }];
    const chains = await Promise.all(starts.map((options) => startDevChain(options)));
    const [first, again, other] = chains.map(({ genesisHash }) => genesisHash);
    await Promise.all(chains.map((chain) => chain.stop()));
    assert.equal(first, again);
    assert.notEqual(first, other);
  });

  it('may be 50 000', async () => {
    await using chain = await startDevChain({ workers: 50_000 });
    assert.equal(chain.workers.length, 50_000);
    using raw = await RawClient.open(chain.ws);
    const prefix = await raw
      .result<Hex[]>('state_getKeysPaged', '0x', 1_000)
      .then((keys) => keys.map((key) => key.slice(0, 66)))
      .then((prefixes) => prefixes.find((one) => prefixes.filter((other) => other === one).length > 100)!);
    let found = 0;
    for (let start: string = prefix; ;) {
      const keys = await raw.result<Hex[]>('state_getKeysPaged', prefix, 1_000, start);
      found += keys.length;
      if (keys.length < 1_000) break;
      start = keys.at(-1)!;
    }
    assert.equal(found, 50_000);
    assert.equal((await chain.newBlock()).number, 2);
  });
});

import assert from 'node:assert/strict';
import { connectChain, type Account, type Chain } from '../../src/chain/index.ts';
import { decodeEcdhRecord, isEcdhRecord } from '../../src/codec/index.ts';
import { startDevChain, type DevChain } from '../../src/dev-chain/index.ts';
import { publishEndpoints, registerEntity, rotateEntity } from '../../src/presence/index.ts';
import { publishAgain } from '../../src/presence/publish.ts';
import { whyNotFollowed } from '../../src/relay/endpoint-policy.ts';
import type { Vault } from '../../src/vault/index.ts';
import { readWorker } from '../../src/worker-state/index.ts';
import { alice, bob, newVault, temporaryFolder } from '../support/entities.ts';

describe('presence', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let dev: DevChain;
  let chain: Chain;
  let made = 0;

  before(async () => {
    folder = await temporaryFolder();
    dev = await startDevChain();
    chain = await connectChain({ endpoints: [dev.ws] });
  });

  after(async () => {
    await chain.stop();
    await dev.stop();
    await folder.remove();
  });

  function vault(): Promise<Vault> {
    return newVault(folder.path, `vault-${made++}`);
  }

  async function currentKey(of: Vault): Promise<Uint8Array> {
    const current = (await of.ecdhKeys()).find(({ state }) => state === 'current');
    assert.ok(current !== undefined);
    return current.publicKey;
  }

  for (const [how, account] of [
    ['through sudo', alice],
    ['by itself', bob],
  ] as const satisfies readonly (readonly [string, Account])[])
    it(`registers ${how}, with endpoints and the record of epoch 0, in one extrinsic`, async () => {
      const own = await vault();
      const { number } = await chain.bestHead();
      await registerEntity({ chain, vault: own, account }, ['https://b.example', 'wss://b.example/ws']);
      assert.equal((await chain.bestHead()).number, number + 1);
      const worker = await readWorker(chain, own.identity);
      assert.deepEqual(worker?.endpoints, ['https://b.example', 'wss://b.example/ws']);
      assert.deepEqual(worker.current, { epoch: 0, ecdhKey: await currentKey(own), proven: true });
    });

  it('replaces the endpoints and keeps the proof', async () => {
    const own = await vault();
    await registerEntity({ chain, vault: own, account: alice }, ['https://old.example']);
    await publishEndpoints({ chain, vault: own, account: bob }, ['https://new.example']);
    const worker = await readWorker(chain, own.identity);
    assert.deepEqual(worker?.endpoints, ['https://new.example']);
    assert.equal(worker.current.proven, true);
  });

  it('rotates: publishes the next epoch, keeps the URLs, and prefers the new key', async () => {
    const own = await vault();
    await registerEntity({ chain, vault: own, account: alice }, ['https://b.example']);
    const { epoch, ecdhKey } = await rotateEntity({ chain, vault: own, account: bob });
    assert.equal(epoch, 1);
    const worker = await readWorker(chain, own.identity);
    assert.deepEqual(worker?.endpoints, ['https://b.example']);
    assert.deepEqual(worker.current, { epoch: 1, ecdhKey, proven: true });
    assert.deepEqual(await currentKey(own), ecdhKey);
    assert.deepEqual(
      (await own.ecdhKeys()).map(({ state }) => state),
      ['retired', 'current'],
    );
  });

  it('finishes a rotation that died before it published', async () => {
    const own = await vault();
    await registerEntity({ chain, vault: own, account: alice });
    const pending = await own.rotate();
    const { epoch, ecdhKey } = await rotateEntity({ chain, vault: own, account: alice });
    assert.deepEqual([epoch, ecdhKey], [pending.epoch, pending.publicKey]);
  });

  it('finishes a rotation that died between publishing and preferring', async () => {
    const own = await vault();
    await registerEntity({ chain, vault: own, account: alice });
    const interrupted: Vault = Object.assign(Object.create(own) as Vault, {
      identity: own.identity,
      ecdhKeys: own.ecdhKeys.bind(own),
      sign: own.sign.bind(own),
      rotate: own.rotate.bind(own),
      activate: () => Promise.reject(new Error('killed')),
    });
    await assert.rejects(rotateEntity({ chain, vault: interrupted, account: alice }), /killed/);
    const { epoch } = await rotateEntity({ chain, vault: own, account: alice });
    assert.equal(epoch, 1);
    assert.equal((await readWorker(chain, own.identity))?.current.epoch, 1);
  });

  it('goes above an epoch that the chain has and the vault does not know', async () => {
    const own = await vault();
    await registerEntity({ chain, vault: own, account: alice });
    const { publicKey } = await own.rotate({ atLeast: 5 });
    assert.equal(publicKey.length, 32);
    assert.equal((await rotateEntity({ chain, vault: own, account: alice })).epoch, 5);
    assert.equal((await rotateEntity({ chain, vault: own, account: alice })).epoch, 6);
  });

  it('publishes records that anyone can verify and nothing else in their place', async () => {
    const own = await vault();
    const { blockHash } = await registerEntity({ chain, vault: own, account: alice }, ['https://x.example']);
    const record = await chain.at(blockHash).worker(own.identity);
    const records = record?.endpoints.filter(isEcdhRecord) ?? [];
    assert.equal(records.length, 1);
    assert.equal(decodeEcdhRecord(records[0] ?? '').epoch, 0);
    await assert.rejects(publishEndpoints({ chain, vault: own, account: alice }, ['ecdh:x']), { code: 'bad-value' });
  });

  for (const url of [
    'nope',
    'htp://a.example',
    '127.0.0.1:8710',
    'http://',
    'http://0.0.0.0:8710',
    'https://a.example?x',
  ])
    it(`publishes nothing where no client would follow ${url}`, async () => {
      const own = await vault();
      const { number } = await chain.bestHead();
      const options = { chain, vault: own, account: alice };
      const refused = { code: 'bad-value', details: { what: `The endpoint "${url}"`, reason: whyNotFollowed(url) } };
      await assert.rejects(registerEntity(options, ['https://a.example', url]), refused);
      await assert.rejects(publishEndpoints(options, ['https://a.example', url]), refused);
      assert.equal((await chain.bestHead()).number, number);
    });

  it('publishes loopback addresses, which a development chain is used with', async () => {
    const own = await vault();
    await registerEntity({ chain, vault: own, account: alice }, ['http://127.0.0.1:8710']);
    assert.deepEqual((await readWorker(chain, own.identity))?.endpoints, ['http://127.0.0.1:8710']);
  });

  it('rotates though other software has published what no client follows', async () => {
    const own = await vault();
    const options = { chain, vault: own, account: alice };
    await registerEntity(options);
    await publishAgain(options, ['nope']);
    assert.equal((await rotateEntity(options)).epoch, 1);
    assert.deepEqual((await readWorker(chain, own.identity))?.endpoints, ['nope']);
  });

  it('refuses to rotate what is not registered', async () => {
    const own = await vault();
    await assert.rejects(rotateEntity({ chain, vault: own, account: alice }), { code: 'not-registered' });
  });
});

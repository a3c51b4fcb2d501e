import assert from 'node:assert/strict';
import { channelBytes, recipientKeyOf, sealMessage, type KeyDirectory, type Sender } from '../../src/channel/index.ts';
import { decodeEnvelope, messageId, toHex, type EnvelopeV1, type Hex } from '../../src/codec/index.ts';
import { ready } from '../../src/crypto/index.ts';
import { openMemoryStore, type TransactionalStore } from '../../src/store/index.ts';
import type { Vault } from '../../src/vault/index.ts';
import { rejected, thrown } from '../support/expect-error.ts';
import { useTempDir } from '../support/temp-dir.ts';
import { currentKey, genesisHash, newVault, openText } from '../support/vaults.ts';

const account: Hex = `0x${'ac'.repeat(32)}`;
const body = { kind: 'data', content: new TextEncoder().encode('hello') } as const;

function directoryOf(id: Hex, ecdhKey: Uint8Array, proven = true): KeyDirectory {
  return { get: (asked) => (asked === id ? { current: { ecdhKey, proven } } : undefined) };
}

describe('channel: sealing a message', () => {
  const folder = useTempDir();
  let alice: Vault;
  let bob: Vault;
  let store: TransactionalStore;
  let sender: Sender;
  before(ready);
  beforeEach(async () => {
    [alice, bob] = [await newVault(folder('alice')), await newVault(folder('bob'))];
    store = openMemoryStore();
    const directory = directoryOf(bob.identity, await currentKey(bob));
    sender = { vault: alice, genesisHash, store, directory, now: () => 1_700_000_000_000, random: () => 3 };
  });
  afterEach(async () => {
    await alice.close();
    await bob.close();
  });

  it('seals to the current key of the recipient, at the time and with the next nonce of the channel', async () => {
    const sealed = await sealMessage(sender, { to: bob.identity, body });
    assert.equal(await openText(bob, sealed.envelope), 'hello');
    const { header } = decodeEnvelope(sealed.envelope) as EnvelopeV1;
    assert.equal(header.nonce, (1_700_000_000_000n << 20n) + 3n);
    assert.equal(header.nonce, sealed.nonce);
    assert.equal(header.sentAt, 1_700_000_000_000n);
    assert.deepEqual([header.fromKind, header.from, header.to], ['worker', alice.identity, bob.identity]);
    assert.equal(sealed.messageId, messageId({ genesisHash, envelope: sealed.envelope }));
  });

  it('takes another nonce for each message, also for many at once', async () => {
    const sealed = await Promise.all(Array.from({ length: 10 }, () => sealMessage(sender, { to: bob.identity, body })));
    assert.equal(new Set(sealed.map(({ nonce }) => nonce)).size, 10);
  });

  it('as an account has a channel of its own', async () => {
    const one = await sealMessage(sender, { to: bob.identity, body });
    const two = await sealMessage(sender, { to: bob.identity, body, account });
    assert.equal(one.nonce, two.nonce);
    const { header } = await bob.open({ genesisHash, envelope: two.envelope });
    assert.deepEqual([header.fromKind, header.from], ['account', account]);
  });

  it('again keeps the nonce that it was given, and takes none', async () => {
    const first = await sealMessage(sender, { to: bob.identity, body });
    const again = await sealMessage(sender, { to: bob.identity, body, nonce: first.nonce });
    assert.equal(again.nonce, first.nonce);
    assert.notEqual(again.messageId, first.messageId);
    assert.equal((await sealMessage(sender, { to: bob.identity, body })).nonce, first.nonce + 1n);
  });

  it('to a key that is given asks no directory', async () => {
    const directory = { get: () => assert.fail('asked') };
    const recipientKey = await currentKey(bob);
    const { envelope } = await sealMessage({ ...sender, directory }, { to: bob.identity, body, recipientKey });
    assert.equal(await openText(bob, envelope), 'hello');
  });

  it('fails for who is not registered, and takes no nonce', async () => {
    const { details } = await rejected(sealMessage(sender, { to: account, body }), 'unknown-recipient');
    assert.deepEqual(details, { id: account });
    assert.deepEqual(await store.entries({ from: new Uint8Array(), to: Uint8Array.of(0xff) }), []);
  });

  it('fails for a key without proof where proof is required, and only there', async () => {
    const directory = directoryOf(bob.identity, await currentKey(bob), false);
    const outgoing = { to: bob.identity, body };
    await rejected(sealMessage({ ...sender, directory, requireProven: true }, outgoing), 'unproven-key');
    await sealMessage({ ...sender, directory }, outgoing);
    await sealMessage({ ...sender, requireProven: true }, outgoing);
  });

  it('fails with what the vault says: oneself, a hostile key, a closed vault', async () => {
    const zero = new Uint8Array(32);
    await rejected(sealMessage(sender, { to: bob.identity, body, recipientKey: zero }), 'bad-public-key');
    await rejected(sealMessage(sender, { to: alice.identity, body, recipientKey: await currentKey(bob) }), 'from-self');
    await alice.close();
    await rejected(sealMessage(sender, { to: bob.identity, body }), 'vault-closed');
  });
});

describe('channel: its names', () => {
  const from: Hex = `0x${'0a'.repeat(32)}`;
  const to: Hex = `0x${'0b'.repeat(32)}`;

  it('are 65 bytes: the kind of the sender, the sender, the recipient', () => {
    assert.equal(toHex(channelBytes({ fromKind: 'worker', from, to })), `0x00${from.slice(2)}${to.slice(2)}`);
    assert.equal(toHex(channelBytes({ fromKind: 'account', from, to })), `0x01${from.slice(2)}${to.slice(2)}`);
    thrown(() => channelBytes({ fromKind: 'worker', from: '0x00', to }), 'bad-length');
  });

  it('have the key that the directory has', () => {
    const key = new Uint8Array(32).fill(1);
    assert.deepEqual(recipientKeyOf(directoryOf(to, key), to), key);
    thrown(() => recipientKeyOf(directoryOf(to, key), from), 'unknown-recipient');
    thrown(() => recipientKeyOf(directoryOf(to, key, false), to, { requireProven: true }), 'unproven-key');
  });
});

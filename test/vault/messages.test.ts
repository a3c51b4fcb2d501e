import assert from 'node:assert/strict';
import {
  decodeEnvelope,
  ecdhRecordContent,
  encodeEnvelope,
  endpointContent,
  envelopeContent,
  fromHex,
  loginContent,
  toHex,
  workerMessageContent,
  type EnvelopeV1,
  type Hex,
} from '../../src/codec/index.ts';
import { keyPairFromSeed, ready, sealPhala, verify } from '../../src/crypto/index.ts';
import { RelayError } from '../../src/errors/index.ts';
import { openVault, type SignContent, type Vault } from '../../src/vault/index.ts';
import { rejected } from '../support/expect-error.ts';
import { flipped, hostileEncodings } from '../support/hostile-keys.ts';
import { useTempDir } from '../support/temp-dir.ts';
import { currentKey, epochsOf, genesisHash, newVault, reopen, sealTo } from '../support/vaults.ts';

const request = { genesisHash, nonce: 7n, sentAt: 8n, body: { kind: 'data', content: '0x2a' } } as const;

describe('vault: messages', () => {
  const folder = useTempDir();
  let alice: Vault;
  let bob: Vault;
  let aliceKey: Uint8Array;
  let bobKey: Uint8Array;
  before(ready);
  beforeEach(async () => {
    [alice, bob] = [await newVault(folder('alice')), await newVault(folder('bob'))];
    [aliceKey, bobKey] = [await currentKey(alice), await currentKey(bob)];
  });
  afterEach(async () => {
    await alice.close();
    await bob.close();
  });

  it('are opened by their recipient, with the header that they were sealed with', async () => {
    const to = bob.identity;
    const envelope = await alice.seal({ ...request, to, recipientKey: bobKey });
    const { header, body } = await bob.open({ genesisHash, envelope });
    assert.deepEqual(header, {
      fromKind: 'worker',
      from: alice.identity,
      to,
      senderKey: aliceKey,
      recipientKey: bobKey,
      nonce: 7n,
      sentAt: 8n,
    });
    assert.deepEqual(body, { kind: 'data', content: Uint8Array.of(42) });
  });

  it('of an account bear the account as their sender', async () => {
    const account: Hex = `0x${'ac'.repeat(32)}`;
    const envelope = await alice.seal({ ...request, to: bob.identity, recipientKey: bobKey, account });
    const { header } = await bob.open({ genesisHash, envelope });
    assert.deepEqual([header.fromKind, header.from], ['account', account]);
  });

  it('are never sealed twice to the same bytes: the IV is fresh', async () => {
    const sealed = new Set<string>();
    for (let n = 0; n < 20; n++) {
      const envelope = await alice.seal({ ...request, to: bob.identity, recipientKey: bobKey });
      sealed.add(toHex((decodeEnvelope(envelope) as EnvelopeV1).iv));
    }
    assert.equal(sealed.size, 20);
  });

  it('can not be opened by their sender, whatever the header is made to say', async () => {
    const envelope = await sealTo(alice, bob, 'x');
    await rejected(alice.open({ genesisHash, envelope }), 'not-for-us');
    const decoded = decodeEnvelope(envelope) as EnvelopeV1;
    const reflected = {
      ...decoded.header,
      from: bob.identity,
      to: alice.identity,
      senderKey: bobKey,
      recipientKey: aliceKey,
    };
    await rejected(
      alice.open({ genesisHash, envelope: encodeEnvelope({ ...decoded, header: reflected }) }),
      'open-failed',
    );
  });

  it('for another entity are not for us, and the error says for whom', async () => {
    await using carol = await newVault(folder('carol'));
    const { details } = await rejected(
      carol.open({ genesisHash, envelope: await sealTo(alice, bob, 'x') }),
      'not-for-us',
    );
    assert.deepEqual(details, { to: bob.identity });
  });

  it('to oneself are refused, in either case of the hex', async () => {
    for (const to of [alice.identity, `0x${alice.identity.slice(2).toUpperCase()}` as const])
      await rejected(alice.seal({ ...request, to, recipientKey: aliceKey }), 'from-self');
    const decoded = decodeEnvelope(await sealTo(bob, alice, 'x')) as EnvelopeV1;
    const forged = encodeEnvelope({ ...decoded, header: { ...decoded.header, from: alice.identity } });
    await rejected(alice.open({ genesisHash, envelope: forged }), 'from-self');
  });

  it('to a key that the vault never had name that key', async () => {
    const stranger = keyPairFromSeed(`0x${'05'.repeat(32)}`).publicKey;
    const { details } = await rejected(
      bob.open({ genesisHash, envelope: await sealTo(alice, bob, 'x', stranger) }),
      'unknown-epoch',
    );
    assert.deepEqual(details, { epoch: `public key ${toHex(stranger)}` });
  });

  it("do not open with the key of another epoch in their header, the recipient's or the sender's", async () => {
    await using recipient = await newVault(folder('recipient'));
    await using sender = await newVault(folder('sender'));
    const sent = await sealTo(sender, recipient, 'x');
    for (const vault of [recipient, sender]) await vault.activate((await vault.rotate()).epoch);
    const [ofRecipient, ofSender] = [await currentKey(recipient), await currentKey(sender)];
    const decoded = decodeEnvelope(sent) as EnvelopeV1;
    for (const swapped of [
      { recipientKey: ofRecipient },
      { senderKey: ofSender },
      { recipientKey: ofRecipient, senderKey: ofSender },
    ]) {
      const envelope = encodeEnvelope({ ...decoded, header: { ...decoded.header, ...swapped } });
      await rejected(recipient.open({ genesisHash, envelope }), 'open-failed');
    }
    assert.equal((await recipient.open({ genesisHash, envelope: sent })).body.kind, 'data');
  });

  it('to an erased epoch name the epoch', async () => {
    let now = 1_000;
    await using vault = await newVault(folder('erased'), { now: () => now });
    const envelope = await sealTo(alice, vault, 'x');
    await vault.rotate();
    now = 2_000;
    await vault.activate(1);
    assert.deepEqual(await vault.erase({ retiredBefore: 2_000 }), [0]);
    for (const opened of [vault, await reopen(folder('erased'))]) {
      const { details } = await rejected(opened.open({ genesisHash, envelope }), 'epoch-erased');
      assert.deepEqual(details, { epoch: 0 });
    }
    assert.equal((await vault.rotate()).epoch, 2);
    assert.equal(await epochsOf(vault), '1:current 2:pending');
    await rejected(vault.open({ genesisHash, envelope }), 'epoch-erased');
  });

  it('do not open altered, cut, for another chain or with another suite', async () => {
    const envelope = await sealTo(alice, bob, 'x');
    for (let bit = 8 * 150; bit < envelope.length * 8; bit += 7)
      await rejected(
        bob.open({ genesisHash, envelope: flipped(envelope, bit) }),
        'open-failed',
        'truncated',
        'trailing-bytes',
        'non-canonical',
      );
    await rejected(bob.open({ genesisHash, envelope: envelope.slice(0, -1) }), 'truncated');
    await rejected(bob.open({ genesisHash, envelope: new Uint8Array() }), 'truncated');
    await rejected(bob.open({ genesisHash: `0x${'00'.repeat(32)}`, envelope }), 'open-failed');
    const phala = sealPhala({ z: new Uint8Array(32), iv: new Uint8Array(12), pubkey: aliceKey, data: '0x' });
    await rejected(bob.open({ genesisHash, envelope: Uint8Array.of(0, ...phala) }), 'suite-unsupported');
  });

  it('with a hostile key are refused, to seal as to open', async () => {
    const decoded = decodeEnvelope(await sealTo(alice, bob, 'x')) as EnvelopeV1;
    for (const [what, key] of hostileEncodings) {
      await rejected(alice.seal({ ...request, to: bob.identity, recipientKey: key }), 'bad-public-key');
      if (key.length !== 32) continue;
      const envelope = encodeEnvelope({ ...decoded, header: { ...decoded.header, senderKey: key } });
      const { code } = await rejected(bob.open({ genesisHash, envelope }), 'bad-public-key');
      assert.equal(code, 'bad-public-key', what);
    }
  });
});

describe('vault: signing', () => {
  const folder = useTempDir();
  let vault: Vault;
  before(ready);
  beforeEach(async () => {
    vault = await newVault(folder('vault'));
  });
  afterEach(() => vault.close());

  const serverNonce = new Uint8Array(32).fill(5);
  const envelope = Uint8Array.of(1, 2, 3);

  it('signs exactly the bytes that the codec builds, with the identity of the vault', async () => {
    const [key] = await vault.ecdhKeys();
    const { identity } = vault;
    const login = { genesisHash, origin: 'wss://relay.example:443', serverNonce, expiresAt: 9n };
    const message = { destination: Uint8Array.of(0x6b, 1), payload: envelope };
    const endpoint = { endpoints: ['http://a', 'ecdh:…'], signingTime: 5n };
    const expected: readonly (readonly [SignContent, Uint8Array])[] = [
      [
        { type: 'ecdh-record', genesisHash, epoch: 0 },
        ecdhRecordContent({ genesisHash, identity, ecdhPublic: key!.publicKey, epoch: 0 }),
      ],
      [{ type: 'envelope', genesisHash, envelope }, envelopeContent({ genesisHash, envelope })],
      [{ type: 'login', ...login }, loginContent({ ...login, identity })],
      [
        { type: 'worker-message', ...message, sequence: 3n },
        workerMessageContent({ ...message, worker: identity }, 3n),
      ],
      [{ type: 'worker-endpoint', ...endpoint }, endpointContent({ ...endpoint, identity })],
    ];
    const signatures = await Promise.all(expected.map(([content]) => vault.sign(content)));
    expected.forEach(([, bytes], signed) => {
      signatures.forEach((signature, index) =>
        assert.equal(verify(fromHex(identity), bytes, signature), index === signed),
      );
    });
  });

  it('takes its own identity and key, whatever else the request says', async () => {
    const other = `0x${'66'.repeat(32)}`;
    const smuggled = { identity: other, worker: other, ecdhPublic: other };
    const { identity } = vault;
    const [key] = await vault.ecdhKeys();
    const message = { destination: Uint8Array.of(0x6b), payload: envelope };
    const signature = await vault.sign({ type: 'worker-message', ...message, sequence: 3n, ...smuggled });
    assert.ok(verify(fromHex(identity), workerMessageContent({ ...message, worker: identity }, 3n), signature));
    const record = await vault.sign({ type: 'ecdh-record', genesisHash, epoch: 0, ...smuggled });
    const content = ecdhRecordContent({ genesisHash, identity, ecdhPublic: key!.publicKey, epoch: 0 });
    assert.ok(verify(fromHex(identity), content, record));
    const login = { genesisHash, origin: 'x', serverNonce, expiresAt: 9n };
    const answer = await vault.sign({ type: 'login', ...login, ...smuggled });
    assert.ok(verify(fromHex(identity), loginContent({ ...login, identity }), answer));
  });

  it('signs records of epochs that it has only', async () => {
    await vault.rotate();
    assert.equal((await vault.sign({ type: 'ecdh-record', genesisHash, epoch: 1 })).length, 64);
    const { details } = await rejected(vault.sign({ type: 'ecdh-record', genesisHash, epoch: 2 }), 'unknown-epoch');
    assert.deepEqual(details, { epoch: 'epoch 2' });
  });

  it('signs nothing of a type that it does not know: no bytes that someone else built', async () => {
    for (const type of ['bytes', 'raw', '', undefined, 'Envelope', 'constructor']) {
      const content = { type, genesisHash, envelope, bytes: envelope } as unknown as SignContent;
      await rejected(vault.sign(content), 'bad-value');
    }
  });

  it('refuses content with fields of the wrong length or range', async () => {
    const short: Hex = '0x00';
    await rejected(vault.sign({ type: 'envelope', genesisHash: short, envelope }), 'bad-length');
    await rejected(vault.sign({ type: 'ecdh-record', genesisHash: short, epoch: 0 }), 'bad-length');
    const login = { type: 'login', genesisHash, origin: 'x', expiresAt: 9n } as const;
    await rejected(vault.sign({ ...login, serverNonce: new Uint8Array(31) }), 'bad-length');
    await rejected(vault.sign({ ...login, serverNonce, expiresAt: -1n }), 'bad-value');
  });
});

describe('vault: its errors', () => {
  const folder = useTempDir();
  before(ready);

  it('never hold a secret: not in text, details, cause or JSON', async () => {
    const passphrase = 'Tr0ub4dor&3 unlikely';
    const identity = keyPairFromSeed(new Uint8Array(32).fill(0x5a));
    const vault = await newVault(folder('vault'), { passphrase, identity });
    await using peer = await newVault(folder('peer'));
    const secretText = 'plaintext nobody may see';
    const envelope = await sealTo(peer, vault, secretText);
    const recipientKey = await currentKey(peer);
    const content = new TextEncoder().encode(secretText);
    const failures: (() => Promise<unknown>)[] = [
      () => newVault(folder('vault'), { passphrase }),
      () => newVault(folder('none', 'vault'), { passphrase }),
      () => newVault(folder('x'), { passphrase, identity: { ...identity, secretKey: identity.secretKey.slice(1) } }),
      () => newVault(folder('x'), { passphrase, cost: { memory: 1 } }),
      () => openVault({ path: folder('vault'), passphrase: `${passphrase}!` }),
      () => openVault({ path: folder('nothing'), passphrase }),
      () => vault.open({ genesisHash, envelope: envelope.slice(0, -1) }),
      () => vault.open({ genesisHash, envelope: flipped(envelope, envelope.length * 8 - 1) }),
      () => vault.open({ genesisHash: `0x${'00'.repeat(32)}`, envelope }),
      () => peer.open({ genesisHash, envelope }),
      () => vault.activate(99),
      () => vault.rotate({ atLeast: 2 ** 32 }),
      () => vault.sign({ type: 'nonsense' } as unknown as SignContent),
      () => vault.seal({ ...request, to: peer.identity, recipientKey: new Uint8Array(32) }),
      () => vault.seal({ ...request, to: vault.identity, recipientKey: new Uint8Array(32) }),
      () => vault.seal({ ...request, to: peer.identity, recipientKey, nonce: -1n, body: { kind: 'data', content } }),
    ];
    const errors: unknown[] = [];
    for (const fail of failures) {
      const [result] = await Promise.allSettled([fail()]);
      assert.ok(result.status === 'rejected');
      errors.push(result.reason);
    }
    await vault.close();
    await vault.ecdhKeys().catch((error: unknown) => errors.push(error));
    const hex = Buffer.from(identity.secretKey).toString('hex');
    const secrets = [passphrase, 'Tr0ub4dor', secretText, hex.slice(0, 32), hex.slice(64, 96), '5a5a5a5a5a5a5a5a'];
    for (const error of errors) {
      assert.ok(error instanceof RelayError, String(error));
      const said = everythingIn(error);
      for (const secret of secrets) assert.ok(!said.includes(secret), `${error.code} holds a secret`);
      assert.doesNotMatch(said, /Uint8Array|Buffer/);
    }
  });
});

function everythingIn(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { message, stack, cause } = error;
  const rest = error instanceof RelayError ? `${error.remedy} ${JSON.stringify(error.details)}` : '';
  return `${message} ${stack} ${rest} ${JSON.stringify(error)} ${cause === undefined ? '' : everythingIn(cause)}`;
}

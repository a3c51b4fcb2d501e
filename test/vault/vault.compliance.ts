import assert from 'node:assert/strict';
import {
  ecdhRecordContent,
  endpointContent,
  envelopeContent,
  fromHex,
  loginContent,
  toHex,
  workerMessageContent,
  type BodyInput,
} from '../../src/codec/index.ts';
import { ready, verify } from '../../src/crypto/index.ts';
import type { RelayError } from '../../src/errors/index.ts';
import type { SignContent, Vault } from '../../src/vault/index.ts';
import { rejected } from '../support/expect-error.ts';
import { flipped, hostileEncodings } from '../support/hostile-keys.ts';
import { useTempDir } from '../support/temp-dir.ts';
import { currentKey, epochsOf, genesisHash, newVault, openText, sealTo } from '../support/vaults.ts';

/** What is promised of every Vault, wherever its secrets are. `make` gives a new one, with a clock that reads `now`. */
export function describeVault(
  name: string,
  make: (folder: (...parts: readonly string[]) => string, now: () => number) => Promise<Vault>,
): void {
  describe(`Vault: ${name}`, () => {
    const folder = useTempDir();
    let now: number;
    let vault: Vault;
    let peer: Vault;
    before(ready);
    beforeEach(async () => {
      now = 1_000;
      vault = await make(folder, () => now);
      peer = await newVault(folder('peer'));
    });
    afterEach(async () => {
      await vault.close();
      await peer.close();
    });

    it('seals what its peer opens, opens what its peer seals: every kind of body, any fields', async () => {
      const bodies: readonly BodyInput[] = [
        { kind: 'data', content: new Uint8Array() },
        { kind: 'data', content: new Uint8Array(60_000).fill(7) },
        { kind: 'invocation', to: `0x${'11'.repeat(32)}`, input: Uint8Array.of(1, 2) },
        { kind: 'reply', inReplyTo: `0x${'22'.repeat(32)}`, content: Uint8Array.of(3) },
      ];
      for (const body of bodies) {
        const fields = { genesisHash, nonce: 2n ** 64n - 1n, sentAt: 1_700_000_000_000n, body };
        const sent = await vault.seal({ ...fields, to: peer.identity, recipientKey: await currentKey(peer) });
        const { header, body: opened } = await peer.open({ genesisHash, envelope: sent });
        assert.deepEqual([header.from, header.nonce, opened.kind], [vault.identity, fields.nonce, body.kind]);
        const back = await peer.seal({ ...fields, to: vault.identity, recipientKey: await currentKey(vault) });
        assert.deepEqual((await vault.open({ genesisHash, envelope: back })).body, opened);
      }
    });

    it('seals for the account that posts', async () => {
      const account = `0x${'33'.repeat(32)}` as const;
      const request = { genesisHash, nonce: 1n, sentAt: 1n, body: { kind: 'data', content: '0x01' } as const };
      const recipientKey = await currentKey(peer);
      const sent = await vault.seal({ ...request, to: peer.identity, recipientKey, account });
      const { header } = await peer.open({ genesisHash, envelope: sent });
      assert.deepEqual([header.fromKind, header.from], ['account', account]);
    });

    it('signs each type of content as the protocol has it, and no other', async () => {
      const { publicKey, epoch } = (await vault.ecdhKeys())[0]!;
      const { identity } = vault;
      const envelope = Uint8Array.of(1, 2, 3);
      const login = { genesisHash, origin: 'https://relay.example', serverNonce: new Uint8Array(32), expiresAt: 5n };
      const message = { destination: Uint8Array.of(4), payload: Uint8Array.of(5, 6) };
      const endpoint = { endpoints: ['https://a', 'ü'], signingTime: 7n };
      const contents: readonly (readonly [SignContent, Uint8Array])[] = [
        [
          { type: 'ecdh-record', genesisHash, epoch },
          ecdhRecordContent({ genesisHash, identity, ecdhPublic: publicKey, epoch }),
        ],
        [{ type: 'envelope', genesisHash, envelope }, envelopeContent({ genesisHash, envelope })],
        [{ type: 'login', ...login }, loginContent({ ...login, identity })],
        [
          { type: 'worker-message', ...message, sequence: 8n },
          workerMessageContent({ ...message, worker: identity }, 8n),
        ],
        [{ type: 'worker-endpoint', ...endpoint }, endpointContent({ ...endpoint, identity })],
      ];
      for (const [content, bytes] of contents)
        assert.ok(verify(fromHex(identity), bytes, await vault.sign(content)), content.type);
      await rejected(vault.sign({ type: 'ecdh-record', genesisHash, epoch: 9 }), 'unknown-epoch');
      await rejected(vault.sign({ type: 'other' } as unknown as SignContent), 'bad-value');
    });

    describe('with a key made for one message', () => {
      const text = (content: string) => ({ kind: 'data', content: new TextEncoder().encode(content) }) as const;
      const ask = async (keepMs: number) => {
        const recipientKey = await currentKey(peer);
        const request = { genesisHash, to: peer.identity, recipientKey, nonce: 1n, sentAt: 2n, body: text('ask') };
        const envelope = await vault.seal({ ...request, freshKey: { keepMs } });
        return { envelope, senderKey: (await peer.open({ genesisHash, envelope })).header.senderKey };
      };
      const answer = (from: Vault, senderKey: Uint8Array) => sealTo(from, vault, 'answer', senderKey);

      it('seals what its peer opens, each from another key that is none of its epochs', async () => {
        const keys = [await ask(0), await ask(0), await ask(1_000)].map(({ senderKey }) => toHex(senderKey));
        const epochs = (await vault.ecdhKeys()).map(({ publicKey }) => toHex(publicKey));
        assert.equal(new Set([...keys, ...epochs]).size, keys.length + epochs.length);
      });

      it('opens what the peer answers to it, as often as it comes, until its time is over', async () => {
        const { senderKey } = await ask(60_000);
        const answered = await answer(peer, senderKey);
        assert.equal(await openText(vault, answered), 'answer');
        assert.equal(await openText(vault, answered), 'answer');
        now += 60_000;
        await rejected(openText(vault, answered), 'unknown-epoch');
      });

      it('opens nothing where it is not kept, was forgotten, or somebody else answers', async () => {
        const dropped = await ask(0);
        await rejected(openText(vault, await answer(peer, dropped.senderKey)), 'unknown-epoch');
        const kept = await ask(60_000);
        const answered = await answer(peer, kept.senderKey);
        const stranger = await newVault(folder('stranger'));
        await rejected(openText(vault, await answer(stranger, kept.senderKey)), 'unknown-epoch');
        await stranger.close();
        assert.equal(await openText(vault, answered), 'answer');
        await vault.forgetFresh(kept.senderKey);
        await vault.forgetFresh(kept.senderKey);
        await rejected(openText(vault, answered), 'unknown-epoch');
      });

      it('refuses times that are none, and keys that are none', async () => {
        for (const keepMs of [-1, Number.NaN, Number.POSITIVE_INFINITY, 8 * 86_400_000])
          await rejected(ask(keepMs), 'bad-value');
        const hostile = [...hostileEncodings.values()].filter((encoding) => encoding.length === 32);
        const request = { genesisHash, to: peer.identity, nonce: 1n, sentAt: 1n, body: text('x') };
        for (const recipientKey of hostile)
          await rejected(vault.seal({ ...request, recipientKey, freshKey: { keepMs: 1 } }), 'bad-public-key');
      });
    });

    it('keeps a body for itself, and seals it for nothing but what it was kept for', async () => {
      const account = `0x${'33'.repeat(32)}` as const;
      const body = { kind: 'data', content: new Uint8Array(20_000).fill(7) } as const;
      const to = peer.identity;
      const recipientKey = await currentKey(peer);
      for (const sender of [{}, { account }]) {
        const addressee = { genesisHash, to, nonce: 9n, ...sender };
        const kept = await vault.keep({ ...addressee, body });
        assert.ok(!Buffer.from(kept).includes(Buffer.alloc(16, 7)), 'no plaintext');
        assert.notDeepEqual(await vault.keep({ ...addressee, body }), kept);
        const epoch = await vault.rotate();
        await vault.activate(epoch.epoch);
        await vault.erase({ retiredBefore: now });
        const request = { ...addressee, recipientKey, sentAt: 5n, kept };
        const opened = await peer.open({ genesisHash, envelope: await vault.sealKept(request) });
        assert.deepEqual(opened.body, body);
        assert.deepEqual(
          [opened.header.fromKind, opened.header.to, opened.header.nonce, opened.header.sentAt],
          ['account' in sender ? 'account' : 'worker', to, 9n, 5n],
        );
        const fresh = await vault.sealKept({ ...request, freshKey: { keepMs: 0 } });
        const { header } = await peer.open({ genesisHash, envelope: fresh });
        const epochs = (await vault.ecdhKeys()).map(({ publicKey }) => toHex(publicKey));
        assert.ok(!epochs.includes(toHex(header.senderKey)), 'from a key of its own');
        const others = [{ nonce: 10n }, { to: account }, { genesisHash: account }, { account: to }];
        for (const other of others) await rejected(vault.sealKept({ ...request, ...other }), 'kept-open-failed');
        await rejected(vault.sealKept({ ...request, kept: flipped(kept, 8 * 40) }), 'kept-open-failed');
        await rejected(vault.sealKept({ ...request, kept: flipped(kept, 0) }), 'unknown-variant');
        await rejected(vault.sealKept({ ...request, kept: kept.slice(0, 40) }), 'kept-open-failed');
        await rejected(peer.sealKept({ ...request, to: vault.identity }), 'kept-open-failed');
      }
    });

    it('rotates, activates and erases, and opens what it still can', async () => {
      const old = await sealTo(peer, vault, 'old');
      const made = await vault.rotate();
      assert.deepEqual([made.epoch, made.state, made.createdAt, made.seals], [1, 'pending', 1_000, 0]);
      assert.deepEqual(await vault.rotate(), made);
      assert.deepEqual(await vault.rotate({ replacing: 0 }), made);
      assert.equal((await vault.rotate({ atLeast: 7, replacing: 0 })).epoch, 7);
      await vault.activate(7);
      await vault.activate(7);
      assert.equal(await epochsOf(vault), '0:retired 1:retired 7:current');
      now = 5_000;
      for (const replacing of [0, 1, 8]) {
        const { epoch, state } = await vault.rotate({ atLeast: 9, replacing });
        assert.deepEqual([epoch, state], [7, 'current']);
      }
      assert.equal(await epochsOf(vault), '0:retired 1:retired 7:current');
      assert.equal(await openText(vault, old), 'old');
      assert.deepEqual(await vault.erase({ retiredBefore: -1 }), []);
      assert.deepEqual(await vault.erase({ retiredBefore: 1_000 }), [0, 1]);
      assert.deepEqual((await rejected(openText(vault, old), 'epoch-erased')).details, { epoch: 0 });
      assert.deepEqual(await vault.erase({ retiredBefore: Infinity }), [], 'of retired epochs alone');
      assert.equal(await epochsOf(vault), '7:current');
      await rejected(vault.activate(9), 'unknown-epoch');
      await rejected(vault.rotate({ atLeast: 2 ** 32 }), 'bad-value');
    });

    it('speaks the phala suite', async () => {
      const sealed = await vault.sealPhala({ recipientKey: await currentKey(peer), content: Uint8Array.of(1, 2) });
      assert.deepEqual((await peer.openPhala(sealed)).content, Uint8Array.of(1, 2));
      const back = await peer.sealPhala({ recipientKey: await currentKey(vault), content: Uint8Array.of(3) });
      const { senderKey, content } = await vault.openPhala(back);
      assert.deepEqual([senderKey, content], [await currentKey(peer), Uint8Array.of(3)]);
    });

    it('refuses hostile and foreign messages, with the same errors everywhere', async () => {
      const envelope = await sealTo(peer, vault, 'x');
      for (let length = 0; length < envelope.length; length += 7)
        await rejected(
          vault.open({ genesisHash, envelope: envelope.slice(0, length) }),
          'truncated',
          'unknown-variant',
          'open-failed',
        );
      await rejected(vault.open({ genesisHash, envelope: flipped(envelope, envelope.length * 8 - 1) }), 'open-failed');
      await rejected(vault.open({ genesisHash: `0x${'ee'.repeat(32)}`, envelope }), 'open-failed');
      await rejected(vault.open({ genesisHash, envelope: await sealTo(vault, peer, 'x') }), 'not-for-us');
      const mine = { genesisHash, to: vault.identity, recipientKey: await currentKey(vault), nonce: 1n, sentAt: 1n };
      await rejected(vault.seal({ ...mine, body: { kind: 'data', content: '0x' } }), 'from-self');
      for (const recipientKey of hostileEncodings.values()) {
        const request = { ...mine, to: peer.identity, recipientKey, body: { kind: 'data', content: '0x' } as const };
        await rejected(vault.seal(request), 'bad-public-key', 'bad-value', 'bad-length');
      }
    });

    it('opens many together: each as alone, or its error in its place', async () => {
      const envelopes = [await sealTo(peer, vault, 'one'), await sealTo(peer, vault, 'two')];
      const [one = new Uint8Array()] = envelopes;
      const bad = [
        flipped(one, one.length * 8 - 1),
        one.slice(0, 100),
        await sealTo(vault, peer, 'x'),
        new Uint8Array(),
      ];
      const opened = await vault.openAll({ genesisHash, envelopes: [...envelopes, ...bad, ...envelopes] });
      const of = async (envelope: Uint8Array) => (await vault.open({ genesisHash, envelope })).body;
      for (const [i, envelope] of [...envelopes, ...bad, ...envelopes].entries()) {
        const each = opened[i];
        if (bad.includes(envelope)) await rejected(vault.open({ genesisHash, envelope }), (each as RelayError).code);
        else assert.deepEqual(each !== undefined && 'body' in each && each.body, await of(envelope));
      }
      assert.deepEqual(await vault.openAll({ genesisHash, envelopes: [] }), []);
      await vault.close();
      await assert.rejects(vault.openAll({ genesisHash, envelopes }), { code: 'vault-closed' });
    });

    it('counts its seals', async () => {
      await sealTo(vault, peer, 'x');
      const { seals } = (await vault.ecdhKeys())[0]!;
      assert.ok(seals >= 1);
    });

    it('refuses everything once it is closed', async () => {
      await vault.close();
      await vault.close();
      await rejected(vault.ecdhKeys(), 'vault-closed');
      await rejected(vault.rotate(), 'vault-closed');
      await rejected(sealTo(vault, peer, 'x'), 'vault-closed');
    });
  });
}

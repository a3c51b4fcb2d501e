import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { decodeSignedEnvelope, encodeSignedEnvelope, type Hex } from '../../src/codec/index.ts';
import { RelayError } from '../../src/errors/index.ts';
import { openReply, readReply } from '../../src/relay/read-reply.ts';
import { signMessage } from '../../src/relay/index.ts';
import { createMemoryVault, type Vault } from '../../src/vault/index.ts';
import { utf8 } from '../support/entities.ts';
import { rejected } from '../support/expect-error.ts';

describe('relay: what is taken for an answer', () => {
  const genesisHash: Hex = `0x${'11'.repeat(32)}`;
  const inReplyTo: Hex = `0x${'22'.repeat(32)}`;
  const [asker, recipient, impostor] = [createMemoryVault(), createMemoryVault(), createMemoryVault()];
  const answer = { kind: 'reply', inReplyTo, content: utf8('yes') } as const;

  /** Sealed to the asker, from whom `by` is. */
  const sealed = async (by: Vault, body: typeof answer | { kind: 'data'; content: Uint8Array } = answer) => {
    const [key] = await asker.ecdhKeys();
    assert.ok(key);
    const to = asker.identity;
    return by.seal({ genesisHash, to, recipientKey: key.publicKey, nonce: 1n, sentAt: 7n, body });
  };
  const opened = (signed: Uint8Array) => openReply(signed, { vault: asker, genesisHash });

  it('is what its sender signed, and no other byte of it', async () => {
    const signed = await signMessage(recipient, genesisHash, await sealed(recipient));
    const reply = await opened(signed);
    assert.ok(reply);
    const { from, content, sentAt } = reply;
    assert.deepEqual([from, content, sentAt, reply.inReplyTo], [recipient.identity, utf8('yes'), 7n, inReplyTo]);
    for (let at = 0; at < signed.length; at += 7) {
      const changed = signed.with(at, (signed[at] ?? 0) ^ 1);
      assert.equal(await opened(changed), undefined, `byte ${at}`);
    }
  });

  it("is not what someone else signed in the recipient's name, or as itself", async () => {
    const envelope = await sealed(recipient);
    const { signature, identity } = decodeSignedEnvelope(await signMessage(impostor, genesisHash, envelope));
    assert.equal(identity, impostor.identity);
    assert.equal(await opened(encodeSignedEnvelope({ identity: recipient.identity, signature, envelope })), undefined);
    assert.equal(await opened(encodeSignedEnvelope({ identity, signature, envelope })), undefined);
  });

  it('is not what was signed for another chain, or is no reply', async () => {
    const elsewhere = await signMessage(recipient, `0x${'12'.repeat(32)}`, await sealed(recipient));
    assert.equal(await opened(elsewhere), undefined);
    const data = await sealed(recipient, { kind: 'data', content: utf8('yes') });
    assert.equal(await opened(await signMessage(recipient, genesisHash, data)), undefined);
    assert.equal(await opened(new Uint8Array()), undefined);
  });

  it('is not given up for where the vault fails', async () => {
    const signed = await signMessage(recipient, genesisHash, await sealed(recipient));
    const vault = { open: () => Promise.reject(new RelayError('vault-closed')) };
    await rejected(openReply(signed, { vault, genesisHash }), 'vault-closed');
    const resealed = { open: () => Promise.reject(new RelayError('vault-resealed', { details: { path: 'vault' } })) };
    await rejected(openReply(signed, { vault: resealed, genesisHash }), 'vault-resealed');
    const question = { vault: resealed, genesisHash, inReplyTo } as const;
    await rejected(readReply(signed, { ...question, from: recipient.identity }), 'vault-resealed');
    // Who was not asked can't end the wait for who was.
    assert.equal(await readReply(signed, { ...question, from: impostor.identity }), undefined);
  });
});

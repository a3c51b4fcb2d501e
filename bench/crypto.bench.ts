import assert from 'node:assert/strict';
import { createCipheriv, createDecipheriv } from 'node:crypto';
import { blake2b } from '@noble/hashes/blake2.js';
import { HDKey } from '@scure/bip32';
import { cryptoWaitReady, sr25519Agreement, sr25519PairFromSeed } from '@polkadot/util-crypto';
import {
  compareBytes,
  concatBytes,
  encodeBody,
  encodeHeader,
  messageId,
  type BodyInput,
  type HeaderInput,
} from '../src/codec/index.ts';
import { agree, deriveCommKey, keyPairFromSeed, openEnvelope, ready, sealEnvelope } from '../src/crypto/index.ts';
import type { Bench } from './harness.ts';

const bodyLength = 256;
const tagLength = 16;

export const room = 'crypto';

/**
 * A message to a known peer (codec and header check included) against bare AES-256-GCM of the same bytes, and the first
 * message to a peer's key against the agreement of @polkadot/util-crypto with the derivation of @scure/bip32.
 */
export async function benches(): Promise<Bench[]> {
  await Promise.all([ready(), cryptoWaitReady()]);
  const genesisHash = new Uint8Array(32).fill(1);
  const seed = new Uint8Array(32).fill(2);
  const [a, b] = [keyPairFromSeed(seed), keyPairFromSeed(new Uint8Array(32).fill(3))];
  // @polkadot/util-crypto wants the secret key in its own layout (protocol.md §1).
  const other = sr25519PairFromSeed(seed);
  const z = agree(a.secretKey, b.publicKey);
  const keys = { senderKey: a.publicKey, recipientKey: b.publicKey };
  const commKey = deriveCommKey({ z, ...keys });
  const path = `m/1'/${compareBytes(a.publicKey, b.publicKey) < 0 ? 0 : 1}'`;
  const header: HeaderInput = {
    fromKind: 'worker',
    from: a.publicKey,
    to: b.publicKey,
    ...keys,
    nonce: 1n << 60n,
    sentAt: 1_700_000_000_000n,
  };
  const iv = new Uint8Array(12).fill(4);
  const body: BodyInput = { kind: 'data', content: new Uint8Array(bodyLength).fill(5) };
  const envelope = sealEnvelope({ commKey, genesisHash, header, iv, body });

  const plaintext = encodeBody(body);
  const aad = concatBytes(Uint8Array.of(1), genesisHash, encodeHeader(header));
  const bareSeal = () => {
    const cipher = createCipheriv('aes-256-gcm', commKey, iv).setAAD(aad);
    return Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
  };
  const sealed = bareSeal();
  const bareOpen = () => {
    const decipher = createDecipheriv('aes-256-gcm', commKey, iv).setAAD(aad);
    decipher.setAuthTag(sealed.subarray(-tagLength));
    return Buffer.concat([decipher.update(sealed.subarray(0, -tagLength)), decipher.final()]);
  };

  const otherFirstContact = () =>
    HDKey.fromMasterSeed(sr25519Agreement(other.secretKey, b.publicKey)).derive(path).privateKey;

  assert.deepEqual(envelope.subarray(-sealed.length), Uint8Array.from(sealed), 'both seal the same');
  assert.deepEqual(commKey, otherFirstContact(), 'both derive the same');

  return [
    {
      name: 'crypto/seal',
      ours: () => sealEnvelope({ commKey, genesisHash, header, iv, body }),
      baseline: bareSeal,
    },
    { name: 'crypto/open', ours: () => openEnvelope({ commKey, genesisHash, envelope }), baseline: bareOpen },
    {
      // The agreement of other clients, and the derivation, for every message.
      name: 'crypto/open-vs-pkg',
      ours: () => openEnvelope({ commKey, genesisHash, envelope }),
      baseline: () => {
        otherFirstContact();
        bareOpen();
      },
    },
    {
      // Not within seal and open: who needs the id computes it.
      name: 'crypto/message-id',
      ours: () => messageId({ genesisHash, envelope }),
      baseline: () => blake2b(envelope, { dkLen: 32 }),
    },
    {
      name: 'crypto/first-contact',
      ours: () => deriveCommKey({ z: agree(a.secretKey, b.publicKey), ...keys }),
      baseline: otherFirstContact,
    },
  ];
}

import { encodeEnvelope, encodeSignedEnvelope, envelopeContent, toHex, type Hex } from '../../src/codec/index.ts';
import { keyPairFromSeed, signWith, type KeyPair } from '../../src/crypto/index.ts';

export const genesisHash: Hex = `0x${'5a'.repeat(32)}`;

// A body of 256 bytes (protocol.md §4) and the tag: a relay can't tell it from noise.
const ciphertextLength = 1 + 2 + 256 + 16;

export interface Entity {
  readonly identity: Hex;
  readonly keys: KeyPair;
}

/** The same for the same number, in every process. */
export function entity(kind: 'sender' | 'recipient', number: number): Entity {
  const seed = new Uint8Array(32);
  seed[0] = kind === 'sender' ? 1 : 2;
  new DataView(seed.buffer).setUint32(1, number);
  const keys = keyPairFromSeed(seed);
  return { identity: toHex(keys.publicKey), keys };
}

/** SCALE of a SignedEnvelope, as a client would send it. */
export function signedMessage(from: Entity, to: Entity, nonce: bigint): Uint8Array {
  const ciphertext = crypto.getRandomValues(new Uint8Array(ciphertextLength));
  const envelope = encodeEnvelope({
    suite: 'v1',
    header: {
      fromKind: 'worker',
      from: from.identity,
      to: to.identity,
      senderKey: from.keys.publicKey,
      recipientKey: to.keys.publicKey,
      nonce,
      sentAt: BigInt(Date.now()),
    },
    iv: crypto.getRandomValues(new Uint8Array(12)),
    ciphertext,
  });
  const signature = signWith(from.keys, envelopeContent({ genesisHash, envelope }));
  return encodeSignedEnvelope({ identity: from.identity, signature, envelope });
}

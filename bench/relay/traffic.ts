import { encodeSignedEnvelope, envelopeContent, toHex, type Hex } from '../../src/codec/index.ts';
import { keyPairFromSeed, sealEnvelope, signWith, type KeyPair } from '../../src/crypto/index.ts';

export const genesisHash: Hex = `0x${'5a'.repeat(32)}`;

/** Of all channels: whoever opens does not derive it again for each message either. */
export const commKey = new Uint8Array(32).fill(9);
const bodyLength = 256;

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
  const envelope = sealEnvelope({
    ...{ commKey, genesisHash },
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
    body: { kind: 'data', content: crypto.getRandomValues(new Uint8Array(bodyLength)) },
  });
  const signature = signWith(from.keys, envelopeContent({ genesisHash, envelope }));
  return encodeSignedEnvelope({ identity: from.identity, signature, envelope });
}

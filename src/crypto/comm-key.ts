import { compareBytes, concatBytes } from '../codec/index.ts';
import { RelayError } from '../errors/index.ts';
import { backend } from './active-backend.ts';

// Order of secp256k1 (SEC 2, §2.4.1), over which BIP32 adds.
const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
const masterKey = new TextEncoder().encode('Bitcoin seed');
const protocolVersion = 1;

interface ExtendedKey {
  readonly key: bigint;
  readonly chainCode: Uint8Array;
}

export interface CommKeyInput {
  /** Result of the agreement, 32 bytes. */
  readonly z: Uint8Array;
  /** EcdhKey public keys, 32 bytes each. */
  readonly senderKey: Uint8Array;
  readonly recipientKey: Uint8Array;
}

/** CommKey, 32 bytes, of one direction of a channel: `m / 1' / d'` of BIP32 over `z` (protocol.md §3). Throws derivation-invalid. */
export function deriveCommKey({ z, senderKey, recipientKey }: CommKeyInput): Uint8Array {
  const direction = compareBytes(senderKey, recipientKey) < 0 ? 0 : 1;
  return toBytes32(hardened(hardened(master(z), protocolVersion), direction).key);
}

function master(z: Uint8Array): ExtendedKey {
  const { left, right } = split(backend().hmacSha512(masterKey, z));
  if (left === 0n || left >= order) throw new RelayError('derivation-invalid');
  return { key: left, chainCode: right };
}

function hardened({ key, chainCode }: ExtendedKey, index: number): ExtendedKey {
  const number = new Uint8Array(4);
  new DataView(number.buffer).setUint32(0, index + 0x80000000);
  const data = concatBytes(Uint8Array.of(0), toBytes32(key), number);
  const { left, right } = split(backend().hmacSha512(chainCode, data));
  data.fill(0);
  const child = (left + key) % order;
  if (left >= order || child === 0n) throw new RelayError('derivation-invalid');
  return { key: child, chainCode: right };
}

/** Overwrites the half that it gives as a number. */
function split(hmac: Uint8Array): { left: bigint; right: Uint8Array } {
  const left = hmac.subarray(0, 32).reduce((value, byte) => (value << 8n) | BigInt(byte), 0n);
  hmac.fill(0, 0, 32);
  return { left, right: hmac.subarray(32) };
}

function toBytes32(value: bigint): Uint8Array {
  const bytes = new Uint8Array(32);
  for (let i = 31, left = value; i >= 0; i--, left >>= 8n) bytes[i] = Number(left & 0xffn);
  return bytes;
}

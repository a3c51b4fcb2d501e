import { equalBytes, fromHex } from '../codec/index.ts';
import { RelayError } from '../errors/index.ts';
import type { CryptoBackend } from './backend.ts';

// Known answers, none of them made with our own code.
/** Alice and Bob of test/vectors/v1.json, and a signature of Alice's ECDH record. */
const known = {
  scalar: fromHex('0xbfa1a5eebbf6857e12998e7cf4dc18dc85bb5929d9ba67cce45425eda2f0eb0e'),
  publicKey: fromHex('0x2634f685c0533eb0a37a1fb251817938bfa5abcd2f299eafacf4e467238b8661'),
  peer: fromHex('0x5210889018cb3d452e1c8cd3bf04d65729f724e5813f1fb37bab5c3b6a898e3e'),
  shared: fromHex('0x5cc21080d60f10f0d8249f42568ef84cc494f38adf18995c12ad7e7e1915a74f'),
  signer: fromHex('0x8a9f3980dedd17c5a16cf9b79712b8b9687349f8c55aeec63e7f1f7a9c94de23'),
  signed: fromHex(
    '0xff52a043748eaad81c8a66d02218c767f331624f3bc5e12fda5135db760f18ce90bc8a9f3980dedd17c5a16cf9b79712b8b9687349f8c55aeec63e7f1f7a9c94de232634f685c0533eb0a37a1fb251817938bfa5abcd2f299eafacf4e467238b866101000000',
  ),
  signature: fromHex(
    '0xa242356b82e70bcc2f630ca7e1cad8569b061f52ea6610ab74b63e7eefdf8d5b88708111bb858f0c98a58776f188dd4dd41b567b80243cde337440595f07458c',
  ),
};
/** FIPS 180-4, of "abc". */
const sha512 = {
  data: fromHex('0x616263'),
  hash: fromHex(
    '0xddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f',
  ),
};
/** Of the same; Python's hashlib. */
const blake2b256 = fromHex('0xbddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319');
/** RFC 4231 §4.3. */
const hmac = {
  key: fromHex('0x4a656665'),
  data: fromHex('0x7768617420646f2079612077616e7420666f72206e6f7468696e673f'),
  hash: fromHex(
    '0x164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737',
  ),
};
/** McGrew and Viega, The Galois/Counter Mode of Operation, test case 16. */
const gcm = {
  key: fromHex('0xfeffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308'),
  iv: fromHex('0xcafebabefacedbaddecaf888'),
  aad: fromHex('0xfeedfacedeadbeeffeedfacedeadbeefabaddad2'),
  plaintext: fromHex(
    '0xd9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39',
  ),
  sealed: fromHex(
    '0x522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b',
  ),
};
/** RFC 9496 §A.3: the neutral element, a field element that is not below p, a negative one, one that is on no curve. */
const noPoints = [
  new Uint8Array(32),
  new Uint8Array(32).fill(0xff),
  fromHex('0x0100000000000000000000000000000000000000000000000000000000000000'),
  fromHex('0x26948d35ca62e643e26a83177332e6b6afeb9d08e4268b650f1f5bbd8d81d371'),
];

type Check = readonly [part: string, holds: (candidate: CryptoBackend) => boolean];

const checks: readonly Check[] = [
  ['SHA-512', (c) => equalBytes(c.sha512(sha512.data), sha512.hash)],
  ['BLAKE2b', (c) => equalBytes(c.blake2b256(sha512.data), blake2b256)],
  ['HMAC-SHA512', (c) => equalBytes(c.hmacSha512(hmac.key, hmac.data), hmac.hash)],
  ['public key', (c) => equalBytes(c.publicKey(secretKey()), known.publicKey)],
  ['agreement', (c) => equalBytes(c.multiply(known.scalar, known.peer), known.shared)],
  ['point validation', (c) => c.isPoint(known.peer) && noPoints.every((bytes) => !c.isPoint(bytes))],
  ['verification', (c) => c.verify(known.signer, known.signed, known.signature)],
  ['refusal of a signature by another key', (c) => !c.verify(known.peer, known.signed, known.signature)],
  ['refusal of an altered signature', (c) => !c.verify(known.signer, known.signed, altered(known.signature))],
  ['signature', (c) => c.verify(known.publicKey, gcm.aad, c.sign(secretKey(), known.publicKey, gcm.aad))],
  ['cipher', (c) => equalBytes(c.sealAes256Gcm(gcm.key, gcm.iv, gcm.aad, gcm.plaintext), gcm.sealed)],
  ['opening', (c) => equalBytes(c.openAes256Gcm(gcm.key, gcm.iv, gcm.aad, gcm.sealed) ?? gcm.iv, gcm.plaintext)],
  ['refusal of altered data', (c) => !opens(c, altered(gcm.sealed), gcm.aad)],
  ['refusal of altered additional data', (c) => !opens(c, gcm.sealed, altered(gcm.aad))],
];

/** Throws self-test-failed unless the backend gives the known answers and refuses what it must. */
export function selfTest(candidate: CryptoBackend): void {
  for (const [part, holds] of checks) {
    const details = { backend: candidate.name, part };
    if (!attempt(() => holds(candidate), details)) throw new RelayError('self-test-failed', { details });
  }
}

function attempt(work: () => boolean, details: { readonly backend: string; readonly part: string }): boolean {
  try {
    return work();
  } catch (cause) {
    throw new RelayError('self-test-failed', { details, cause });
  }
}

function opens(candidate: CryptoBackend, sealed: Uint8Array, aad: Uint8Array): boolean {
  return candidate.openAes256Gcm(gcm.key, gcm.iv, aad, sealed) !== undefined;
}

function secretKey(): Uint8Array {
  const bytes = new Uint8Array(64).fill(7);
  bytes.set(known.scalar);
  return bytes;
}

function altered(bytes: Uint8Array): Uint8Array {
  const copy = bytes.slice();
  copy[0] = (copy[0] ?? 0) ^ 1;
  return copy;
}

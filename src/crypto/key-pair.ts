import { toBytes, type BytesLike } from '../codec/index.ts';
import { RelayError } from '../errors/index.ts';
import { backend } from './active-backend.ts';
import type { SignedMessage } from './backend.ts';
import { canonicalSecretKey } from './secret-key.ts';

export interface KeyPair {
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  /** 64 bytes, canonical layout: scalar, then the nonce seed. */
  readonly secretKey: Uint8Array;
}

/** sr25519 pair of a 32-byte seed (schnorrkel `ExpansionMode::Ed25519`, protocol.md §1). */
export function keyPairFromSeed(seed: BytesLike): KeyPair {
  const expanded = backend().sha512(toBytes(seed, 'The seed', 32));
  expanded[0] = (expanded[0] ?? 0) & 0xf8;
  expanded[31] = ((expanded[31] ?? 0) & 0x3f) | 0x40;
  const canonical = canonicalSecretKey(expanded, 'ed25519');
  expanded.fill(0);
  return { publicKey: backend().publicKey(canonical), secretKey: canonical };
}

/** Pair of a 64-byte secret key in either layout (see {@link canonicalSecretKey}). Throws bad-secret-key. */
export function keyPairFromSecretKey(secretKey: Uint8Array): KeyPair {
  const canonical = canonicalSecretKey(secretKey);
  return { publicKey: backend().publicKey(canonical), secretKey: canonical };
}

/** 64-byte sr25519 signature, context `substrate`. `secretKey` in either layout. */
export function sign(secretKey: Uint8Array, message: Uint8Array): Uint8Array {
  const { publicKey, secretKey: canonical } = keyPairFromSecretKey(secretKey);
  return signWith({ publicKey, secretKey: canonical }, message);
}

/** As {@link sign}, without computing the public key again. */
export function signWith({ publicKey, secretKey }: KeyPair, message: Uint8Array): Uint8Array {
  return backend().sign(secretKey, publicKey, message);
}

/** Whether `signature` is a valid sr25519 signature, context `substrate`. Never throws. */
export function verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  return publicKey.length === 32 && signature.length === 64 && backend().verify(publicKey, message, signature);
}

/** What {@link verify} says of each, for half the work or less where there are many (Node). Never throws. */
export function verifyBatch(items: readonly SignedMessage[]): boolean[] {
  return backend().verifyBatch(items);
}

/** Throws bad-public-key unless `publicKey` can be agreed with (protocol.md §2). */
export function checkPublicKey(publicKey: Uint8Array): void {
  if (publicKey.length !== 32)
    throw new RelayError('bad-public-key', { details: { reason: `it has ${publicKey.length} bytes instead of 32` } });
  if (!backend().isPoint(publicKey))
    throw new RelayError('bad-public-key', { details: { reason: 'it is not the canonical encoding of a point' } });
}

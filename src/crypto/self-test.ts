import { equalBytes, fromHex } from '../codec/index.ts';
import { RelayError } from '../errors/index.ts';
import type { CryptoBackend } from './backend.ts';

// Alice and Bob of test/vectors/v1.json: made with libsodium and OpenSSL, not with our own code.
const known = {
  scalar: fromHex('0xbfa1a5eebbf6857e12998e7cf4dc18dc85bb5929d9ba67cce45425eda2f0eb0e'),
  publicKey: fromHex('0x2634f685c0533eb0a37a1fb251817938bfa5abcd2f299eafacf4e467238b8661'),
  peer: fromHex('0x5210889018cb3d452e1c8cd3bf04d65729f724e5813f1fb37bab5c3b6a898e3e'),
  shared: fromHex('0x5cc21080d60f10f0d8249f42568ef84cc494f38adf18995c12ad7e7e1915a74f'),
};

/** Throws self-test-failed unless the backend gives the known answers and refuses what it must. */
export function selfTest(candidate: CryptoBackend): void {
  const secretKey = new Uint8Array(64).fill(7);
  secretKey.set(known.scalar);
  const message = Uint8Array.of(1, 2, 3);
  const [key, iv] = [known.shared, new Uint8Array(12)];
  const expect = (holds: boolean, part: string): void => {
    if (!holds) throw new RelayError('self-test-failed', { details: { backend: candidate.name, part } });
  };
  expect(equalBytes(candidate.publicKey(secretKey), known.publicKey), 'public key');
  expect(equalBytes(candidate.multiply(known.scalar, known.peer), known.shared), 'agreement');
  expect(candidate.isPoint(known.peer) && !candidate.isPoint(new Uint8Array(32).fill(255)), 'point validation');
  const signature = candidate.sign(secretKey, known.publicKey, message);
  expect(candidate.verify(known.publicKey, message, signature), 'signature');
  expect(!candidate.verify(known.peer, message, signature), 'refusal of a signature by another key');
  const sealed = candidate.sealAes256Gcm(key, iv, message, message);
  expect(equalBytes(candidate.openAes256Gcm(key, iv, message, sealed) ?? iv, message), 'cipher');
  expect(candidate.openAes256Gcm(key, iv, iv, sealed) === undefined, 'refusal of altered data');
}

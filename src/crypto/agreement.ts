import { isZero } from '../codec/index.ts';
import { RelayError } from '../errors/index.ts';
import { backend } from './active-backend.ts';
import { checkPublicKey } from './key-pair.ts';
import { canonicalSecretKey } from './secret-key.ts';

/**
 * `Z`, 32 bytes, the same for both sides (protocol.md §2). `secretKey`: 64 bytes, either layout.
 * Throws bad-secret-key, bad-public-key, bad-shared-secret.
 */
export function agree(secretKey: Uint8Array, publicKey: Uint8Array): Uint8Array {
  checkPublicKey(publicKey);
  const canonical = canonicalSecretKey(secretKey);
  try {
    const z = backend().multiply(canonical.subarray(0, 32), publicKey);
    if (isZero(z)) throw new RelayError('bad-shared-secret');
    return z;
  } finally {
    canonical.fill(0);
  }
}

import { RelayError } from '../errors/index.ts';

/**
 * Layouts of a 64-byte sr25519 secret key (protocol.md §1): `canonical` as in Rust's `to_raw_vec` and pRuntime, `ed25519`
 * as in polkadot-js, where the scalar is multiplied by the cofactor 8. Inside khala-relay keys are canonical.
 */
export type SecretKeyLayout = 'canonical' | 'ed25519';

const groupOrder = (1n << 252n) + 27742317777372353535851937790883648493n;

/**
 * The canonical layout of a secret key. `auto` takes what is below the group order as canonical: right for every key
 * expanded from a seed; a softly derived one in ed25519 layout needs its layout said.
 * Throws bad-secret-key.
 */
export function canonicalSecretKey(secretKey: Uint8Array, layout: SecretKeyLayout | 'auto' = 'auto'): Uint8Array {
  if (secretKey.length !== 64) throw bad(`it has ${secretKey.length} bytes instead of 64`);
  const scalar = littleEndian(secretKey.subarray(0, 32));
  const isCanonical = layout === 'auto' ? scalar < groupOrder : layout === 'canonical';
  if (!isCanonical && scalar % 8n !== 0n) throw bad('its scalar is neither canonical nor a multiple of the cofactor');
  const canonical = isCanonical ? scalar : scalar / 8n;
  if (canonical === 0n || canonical >= groupOrder) throw bad('its scalar is not within the group order');
  return withScalar(secretKey, canonical);
}

function withScalar(secretKey: Uint8Array, scalar: bigint): Uint8Array {
  // Not `slice`, which shares the memory of a Buffer.
  const changed = new Uint8Array(secretKey);
  for (let i = 0, left = scalar; i < 32; i++, left >>= 8n) changed[i] = Number(left & 0xffn);
  return changed;
}

/** Whether 32 little-endian bytes are a scalar below the group order. */
export function isCanonicalScalar(bytes: Uint8Array): boolean {
  return littleEndian(bytes) < groupOrder;
}

function littleEndian(bytes: Uint8Array): bigint {
  return bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
}

function bad(reason: string): RelayError {
  return new RelayError('bad-secret-key', { details: { reason } });
}

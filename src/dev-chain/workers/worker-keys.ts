import { createHash } from 'node:crypto';
import sodium from 'libsodium-wrappers-sumo';
import { keyPairBytes } from './dev-workers.ts';
import { workerSeed } from './worker-seed.ts';

/**
 * The public keys of the workers from `from` to before `to`. By libsodium's multiplication of the base point, which
 * takes half the time of schnorrkel's: there may be 50 000 workers.
 */
export async function workerKeys(from: number, to: number): Promise<Uint8Array> {
  await sodium.ready;
  const keys = new Uint8Array((to - from) * keyPairBytes);
  for (let index = from; index < to; index += 1) {
    const offset = (index - from) * keyPairBytes;
    keys.set(publicKey(workerSeed('identity', index)), offset);
    keys.set(publicKey(workerSeed('ecdh', index)), offset + 32);
  }
  return keys;
}

/** schnorrkel's `ExpansionMode::Ed25519`: the clamped hash divided by the cofactor 8, times the base point. */
function publicKey(seed: Uint8Array): Uint8Array {
  const scalar = createHash('sha512').update(seed).digest().subarray(0, 32);
  scalar.writeUInt8(scalar.readUInt8(0) & 0b1111_1000, 0);
  scalar.writeUInt8((scalar.readUInt8(31) & 0b0011_1111) | 0b0100_0000, 31);
  for (let at = 0; at < 32; at += 1) {
    const above = at < 31 ? scalar.readUInt8(at + 1) : 0;
    scalar.writeUInt8(((scalar.readUInt8(at) >> 3) | (above << 5)) & 0xff, at);
  }
  return sodium.crypto_scalarmult_ristretto255_base(scalar);
}

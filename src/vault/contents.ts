import { Reader, Writer } from '../codec/index.ts';
import { keyPairFromSecretKey, type KeyPair } from '../crypto/core.ts';

export type EpochState = 'pending' | 'current' | 'retired';

/** An EcdhKey of the vault. */
export interface EpochSecret {
  readonly epoch: number;
  readonly keyPair: KeyPair;
  /** Unix time, ms. */
  readonly createdAt: number;
  readonly state: EpochState;
}

/** What remains of an erased EcdhKey. */
export interface ErasedEpoch {
  readonly epoch: number;
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
}

/** All that a vault keeps, in the clear: never leaves this room. */
export interface VaultContents {
  readonly identity: KeyPair;
  /** Ascending. */
  readonly epochs: readonly EpochSecret[];
  readonly erased: readonly ErasedEpoch[];
}

const states: readonly EpochState[] = ['pending', 'current', 'retired'];

/** Layout: docs/vault.md. */
export function encodeContents({ identity, epochs, erased }: VaultContents): Uint8Array {
  const writer = new Writer().raw(identity.secretKey).compactLength(epochs.length);
  for (const { epoch, keyPair, createdAt, state } of epochs)
    writer.u32(epoch).raw(keyPair.secretKey).u64(BigInt(createdAt)).u8(states.indexOf(state));
  writer.compactLength(erased.length);
  for (const { epoch, publicKey } of erased) writer.u32(epoch).raw(publicKey);
  return writer.finish();
}

/** Throws truncated, trailing-bytes, unknown-variant, bad-secret-key. */
export function decodeContents(bytes: Uint8Array): VaultContents {
  const reader = new Reader(bytes, 'The contents of the vault');
  const identity = readKeyPair(reader);
  const epochs = readMany(reader, () => readEpoch(reader));
  const erased = readMany(reader, () => ({ epoch: reader.u32(), publicKey: reader.fixed(32) }));
  reader.end();
  return { identity, epochs, erased };
}

function readEpoch(reader: Reader): EpochSecret {
  const epoch = reader.u32();
  const keyPair = readKeyPair(reader);
  const createdAt = Number(reader.u64());
  const index = reader.u8();
  const state = states[index];
  if (state === undefined) throw reader.unknownVariant(index);
  return { epoch, keyPair, createdAt, state };
}

function readKeyPair(reader: Reader): KeyPair {
  const secretKey = reader.fixed(64);
  const keyPair = keyPairFromSecretKey(secretKey);
  secretKey.fill(0);
  return keyPair;
}

function readMany<T>(reader: Reader, read: () => T): T[] {
  const items: T[] = [];
  for (let left = reader.compactLength(); left > 0; left--) items.push(read());
  return items;
}

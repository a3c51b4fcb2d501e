import { Reader, Writer } from '../codec/index.ts';
import { canonicalSecretKey, keyPairFromSecretKey, type KeyPair } from '../crypto/core.ts';
import { RelayError } from '../errors/index.ts';

export type EpochState = 'pending' | 'current' | 'retired';

/** An EcdhKey of the vault. */
export interface EpochSecret {
  readonly epoch: number;
  readonly keyPair: KeyPair;
  /** Unix time, ms. */
  readonly createdAt: number;
  readonly state: EpochState;
  /** Unix time, ms; of retired epochs only. */
  readonly retiredAt?: number;
  /** Seals set aside for all who use the vault: at least as many as were made. */
  readonly seals: number;
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

/** Overwrites the secrets; JavaScript can't promise that no copy remains (SECURITY.md). */
export function wipe({ identity, epochs }: VaultContents): void {
  for (const { secretKey } of [identity, ...epochs.map(({ keyPair }) => keyPair)]) secretKey.fill(0);
}

const states: readonly EpochState[] = ['pending', 'current', 'retired'];
const version = 1;

/** Layout: docs/vault.md. */
export function encodeContents({ identity, epochs, erased }: VaultContents): Uint8Array {
  const writer = new Writer().u8(version).raw(identity.secretKey).compactLength(epochs.length);
  for (const { epoch, keyPair, createdAt, state, retiredAt = 0, seals } of epochs)
    writer
      .u32(epoch)
      .raw(keyPair.secretKey)
      .u64(BigInt(createdAt))
      .u8(states.indexOf(state))
      .u64(BigInt(retiredAt))
      .u64(BigInt(seals));
  writer.compactLength(erased.length);
  for (const { epoch, publicKey } of erased) writer.u32(epoch).raw(publicKey);
  return writer.finish();
}

/** Throws vault-too-new, non-canonical, truncated, trailing-bytes, unknown-variant, bad-secret-key. */
export function decodeContents(bytes: Uint8Array, path: string): VaultContents {
  const reader = new Reader(bytes, 'The contents of the vault');
  const found = reader.u8();
  if (found > version) throw new RelayError('vault-too-new', { details: { path, version: `1.${found}` } });
  if (found < version) throw reader.unknownVariant(found);
  const identity = readKeyPair(reader);
  const epochs = readMany(reader, () => readEpoch(reader));
  const erased = readMany(reader, () => ({ epoch: reader.u32(), publicKey: reader.fixed(32) }));
  reader.end();
  return { identity, epochs, erased };
}

function readEpoch(reader: Reader): EpochSecret {
  const epoch = reader.u32();
  const keyPair = readKeyPair(reader);
  const createdAt = readNumber(reader);
  const index = reader.u8();
  const state = states[index];
  if (state === undefined) throw reader.unknownVariant(index);
  const retiredAt = readNumber(reader);
  if (state !== 'retired' && retiredAt !== 0)
    throw new RelayError('non-canonical', { details: { what: 'The contents of the vault' } });
  const seals = readNumber(reader);
  return { epoch, keyPair, createdAt, state, ...(state === 'retired' ? { retiredAt } : {}), seals };
}

/** A time or count: all of them are exact as numbers. */
function readNumber(reader: Reader): number {
  const value = reader.u64();
  if (value > BigInt(Number.MAX_SAFE_INTEGER))
    throw new RelayError('bad-value', {
      details: { what: 'The contents of the vault', reason: `${value} is too large` },
    });
  return Number(value);
}

function readKeyPair(reader: Reader): KeyPair {
  const secretKey = reader.fixed(64);
  // In the one layout that is written.
  const canonical = canonicalSecretKey(secretKey, 'canonical');
  const keyPair = keyPairFromSecretKey(canonical);
  canonical.fill(0);
  secretKey.fill(0);
  return keyPair;
}

function readMany<T>(reader: Reader, read: () => T): T[] {
  const items: T[] = [];
  for (let left = reader.compactLength(); left > 0; left--) items.push(read());
  return items;
}

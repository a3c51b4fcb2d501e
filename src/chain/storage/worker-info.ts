import { Reader, type Hex } from '../../codec/index.ts';
import { RelayError } from '../../errors/index.ts';
import type { WorkerInfo } from './worker.ts';
import type { Runtime, StorageEntry } from '../runtime/runtime.ts';
import { fastToHex } from './fast-hex.ts';

/** `identity` is the key of the entry: what the chain looks a worker up by. */
export type DecodeWorkerInfo = (bytes: Uint8Array, identity: Hex) => WorkerInfo;

const head = 'pubkey:[u8;32],ecdh_pubkey:[u8;32],runtime_version:u32,last_updated:u64,operator:?[u8;32]';
const tail = 'confidence_level:u8,initial_score:?u32,features:<u32>';
const legacyShape = `{${head},${tail}}`;
const currentForm = new RegExp(
  `^${`{${head},attestation_provider:?enum{`.replace(/[[\]{}?]/g, '\\$&')}([\\d:A-Za-z,]*)${`},${tail}}`.replace(/[[\]{}?]/g, '\\$&')}$`,
);

/** Behind two keys, the version and the time. */
const operatorAt = 76;

/** A WorkerInfo between two places of the bytes. */
export type ReadConfidence = (bytes: Uint8Array, start: number, end: number) => number;

/**
 * Gives the confidence level, -1 for bytes that are not of one of the two layouts that Khala has had. What else a snapshot
 * of all workers needs is where each WorkerInfo of these begins: identity, EcdhKey, runtime version.
 */
export function confidenceReader({ valueShape }: StorageEntry): ReadConfidence {
  const hasProvider = currentForm.test(valueShape);
  if (!hasProvider && valueShape !== legacyShape) return () => -1;
  return (bytes, start, end) => {
    const operator = bytes[start + operatorAt] ?? 2;
    const providerAt = start + operatorAt + (operator === 0 ? 1 : 33);
    const provider = hasProvider ? (bytes[providerAt] ?? 2) : 0;
    const at = providerAt + (hasProvider ? 1 + provider : 0);
    return operator > 1 || provider > 1 || at >= end ? -1 : (bytes[at] ?? -1);
  };
}

/** current and older: what Khala has and had; other: read by the metadata. */
export function workerInfoLayout({ valueShape }: StorageEntry): 'current' | 'older' | 'other' {
  if (valueShape === legacyShape) return 'older';
  return currentForm.test(valueShape) ? 'current' : 'other';
}

/** By hand for the two layouts that Khala has had, by metadata for any other. */
export function workerInfoDecoder(runtime: Runtime, entry: StorageEntry): DecodeWorkerInfo {
  if (entry.valueShape === legacyShape) return (bytes, identity) => decodeByHand(bytes, identity, undefined);
  const [, variants] = currentForm.exec(entry.valueShape) ?? [];
  if (variants !== undefined) {
    const providers = new Map(
      variants.split(',').map((variant) => {
        const [index, name = ''] = variant.split(':');
        return [Number(index), name];
      }),
    );
    return (bytes, identity) => decodeByHand(bytes, identity, providers);
  }
  return (bytes, identity) => decodeByMetadata(runtime, entry, bytes, identity);
}

function decodeByHand(
  bytes: Uint8Array,
  identity: Hex,
  providers: ReadonlyMap<number, string> | undefined,
): WorkerInfo {
  const reader = new Reader(bytes, 'WorkerInfo');
  reader.fixed(32);
  return {
    identity,
    ecdhKey: reader.fixed(32),
    runtimeVersion: reader.u32(),
    lastUpdated: reader.u64(),
    operator: readOption(reader, () => fastToHex(reader.fixed(32))),
    attestationProvider:
      providers === undefined ? undefined : readOption(reader, () => readProvider(reader, providers)),
    // The initial score and the features behind it are of no use here.
    confidenceLevel: reader.u8(),
  };
}

function readProvider(reader: Reader, providers: ReadonlyMap<number, string>): string {
  const index = reader.u8();
  const name = providers.get(index);
  if (name === undefined) throw reader.unknownVariant(index);
  return name;
}

function readOption<T>(reader: Reader, read: () => T): T | undefined {
  const variant = reader.u8();
  if (variant > 1) throw reader.unknownVariant(variant);
  return variant === 1 ? read() : undefined;
}

function decodeByMetadata(runtime: Runtime, entry: StorageEntry, bytes: Uint8Array, identity: Hex): WorkerInfo {
  const fields = runtime.decode(entry.valueType, bytes).toJSON() as Readonly<Record<string, unknown>>;
  const { ecdhPubkey, runtimeVersion, lastUpdated, operator, attestationProvider, confidenceLevel } = fields;
  if (typeof ecdhPubkey !== 'string')
    throw new RelayError('unsupported-runtime', { details: { reason: 'WorkerInfo has no ecdhPubkey' } });
  return {
    identity,
    ecdhKey: runtime.registry.createType('AccountId32', ecdhPubkey).toU8a(),
    runtimeVersion: Number(runtimeVersion ?? 0),
    lastUpdated: BigInt((lastUpdated as string | number | undefined) ?? 0),
    operator: typeof operator === 'string' ? keyOf(runtime, operator) : undefined,
    attestationProvider: typeof attestationProvider === 'string' ? attestationProvider : undefined,
    confidenceLevel: Number(confidenceLevel ?? 0),
  };
}

/** The library prints keys as hex or SS58, by their type. */
function keyOf(runtime: Runtime, text: string): Hex {
  return runtime.registry.createType('AccountId32', text).toHex();
}

import { decodeEcdhRecord, ecdhRecordContent, fromHex, type Hex } from '../codec/index.ts';
import { isRelayError } from '../errors/index.ts';
import type { EpochKey } from './worker-state.ts';

/** Whether `signature` (64 bytes) is by `publicKey` (32 bytes) over `content`. Must not throw on hostile bytes. */
export type VerifySignature = (publicKey: Uint8Array, content: Uint8Array, signature: Uint8Array) => boolean;

export interface ProvenRecords {
  /** In the order of the records. */
  readonly keys: readonly EpochKey[];
  /** Why records do not count, by the record. */
  readonly invalid: ReadonlyMap<string, string>;
}

const nothing: ProvenRecords = { keys: [], invalid: new Map() };

/** The keys that a worker's ECDH records prove (protocol.md §7). `records` are at most the last 8 of its list. */
export function proveRecords(
  genesisHash: Hex,
  identity: Hex,
  records: readonly string[],
  verify: VerifySignature,
): ProvenRecords {
  if (records.length === 0) return nothing;
  const publicKey = fromHex(identity);
  const keys: EpochKey[] = [];
  const invalid = new Map<string, string>();
  for (const text of new Set(records)) {
    try {
      const { ecdhPublic, epoch, signature } = decodeEcdhRecord(text);
      const content = ecdhRecordContent({ genesisHash, identity, ecdhPublic, epoch });
      if (verify(publicKey, content, signature)) keys.push({ epoch, ecdhKey: ecdhPublic, proven: true });
      else invalid.set(text, `the signature of the record of epoch ${epoch} is not by this identity`);
    } catch (error) {
      if (!isRelayError(error, 'bad-ecdh-record')) throw error;
      invalid.set(text, error.message.replace(/\.$/, ''));
    }
  }
  return { keys, invalid };
}

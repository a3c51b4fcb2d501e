import { decodeEcdhRecord, ecdhRecordContent, fromHex, type Hex } from '../codec/index.ts';
import { isRelayError } from '../errors/index.ts';
import type { ProvenKey } from './key-page.ts';

/** What an ECDH record claims to be: signed by the worker's identity. */
export interface SignedRecord {
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  readonly message: Uint8Array;
  /** 64 bytes. */
  readonly signature: Uint8Array;
}

/** Which of the records are signed as they claim, in order: together, since that costs less than one by one. Must not throw. */
export type VerifyRecords = (records: readonly SignedRecord[]) => readonly boolean[];

export interface ProvenRecords {
  /** In the order of the records. */
  readonly keys: readonly ProvenKey[];
  /** Why records do not count, by the record. */
  readonly invalid: ReadonlyMap<string, string>;
}

/** A record that can be read, and the key that it proves if it is signed as it claims. */
export interface Claim extends SignedRecord {
  readonly text: string;
  readonly key: ProvenKey;
}

/** Records that were read, and are yet to be verified. */
export interface ReadRecords {
  readonly claims: readonly Claim[];
  /** Why records can't be read, by the record. */
  readonly malformed: ReadonlyMap<string, string>;
}

export const nothing: ReadRecords = { claims: [], malformed: new Map() };

/** A worker's ECDH records (protocol.md §7); at most the last 8 of its list. */
export function readRecords(genesisHash: Hex, identity: Hex, records: readonly string[]): ReadRecords {
  if (records.length === 0) return nothing;
  const publicKey = fromHex(identity);
  const claims: Claim[] = [];
  const malformed = new Map<string, string>();
  for (const text of new Set(records)) {
    try {
      const { ecdhPublic, epoch, signature } = decodeEcdhRecord(text);
      claims.push({
        text,
        publicKey,
        signature,
        key: { epoch, ecdhKey: ecdhPublic, proven: true, signature },
        // Made when it is asked for: most were verified before.
        get message() {
          return ecdhRecordContent({ genesisHash, identity, ecdhPublic, epoch });
        },
      });
    } catch (error) {
      if (!isRelayError(error, 'bad-ecdh-record')) throw error;
      malformed.set(text, error.message.replace(/\.$/, ''));
    }
  }
  return { claims, malformed };
}

/** The keys that the records prove, given which of the claims are false. */
export function provenBy({ claims, malformed }: ReadRecords, isFalse: ReadonlySet<Claim>): ProvenRecords {
  const invalid = new Map(malformed);
  const keys: ProvenKey[] = [];
  for (const claim of claims) {
    const { text, key } = claim;
    if (!isFalse.has(claim)) keys.push(key);
    else invalid.set(text, `the signature of the record of epoch ${key.epoch} is not by this identity`);
  }
  return { keys, invalid };
}

import { RelayError } from '../errors/index.ts';
import { fromHex, toBytes, toHex, type BytesLike } from './hex.ts';

/** One string of a worker's endpoint list that publishes an EcdhKey (protocol.md §7). */
export interface EcdhRecord {
  /** 32 bytes. */
  readonly ecdhPublic: Uint8Array;
  /** u32. */
  readonly epoch: number;
  /** 64 bytes by IdentityKey over {@link ecdhRecordContent}. Decoding does not check it. */
  readonly signature: Uint8Array;
}

export interface EcdhRecordInput {
  readonly ecdhPublic: BytesLike;
  readonly epoch: number;
  readonly signature: BytesLike;
}

const form = /^ecdh:(0x[0-9a-f]{64});epoch=(0|[1-9][0-9]{0,9});sig=(0x[0-9a-f]{128})$/;

/** Tells a record, well formed or not, from a URL. */
export function isEcdhRecord(endpoint: string): boolean {
  return endpoint.startsWith('ecdh:');
}

export function encodeEcdhRecord({ ecdhPublic, epoch, signature }: EcdhRecordInput): string {
  checkEpoch(epoch);
  const key = toHex(toBytes(ecdhPublic, 'ecdhPublic', 32));
  return `ecdh:${key};epoch=${epoch};sig=${toHex(toBytes(signature, 'signature', 64))}`;
}

/** Throws bad-ecdh-record. */
export function decodeEcdhRecord(text: string): EcdhRecord {
  const [, key, epoch, signature] = form.exec(text) ?? [];
  if (key === undefined || epoch === undefined || signature === undefined)
    throw new RelayError('bad-ecdh-record', {
      details: { reason: 'it is not of the form ecdh:KEY;epoch=N;sig=SIGNATURE' },
    });
  checkEpoch(Number(epoch));
  return { ecdhPublic: fromHex(key), epoch: Number(epoch), signature: fromHex(signature) };
}

function checkEpoch(epoch: number): void {
  if (!Number.isInteger(epoch) || epoch < 0 || epoch >= 2 ** 32)
    throw new RelayError('bad-ecdh-record', { details: { reason: `epoch ${epoch} is not a u32` } });
}

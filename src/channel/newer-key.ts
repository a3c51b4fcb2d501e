import { decodeEcdhRecord, ecdhRecordContent, fromHex, type Hex } from '../codec/index.ts';
import { verify } from '../crypto/core.ts';
import { isRelayError } from '../errors/index.ts';

export interface UsedKey {
  readonly genesisHash: Hex;
  /** The recipient. */
  readonly identity: Hex;
  /** What the message was sealed to. */
  readonly used: { readonly epoch: number };
}

export interface NewerKey {
  readonly epoch: number;
  /** 32 bytes. */
  readonly ecdhKey: Uint8Array;
}

/**
 * The EcdhKey that a recipient names when it can't open a message any more (protocol.md §11): only with a record that
 * its identity signed for this chain, and only of a later epoch than the one that was used. Anything else gives undefined.
 */
export function newerKey(failure: unknown, { genesisHash, identity, used }: UsedKey): NewerKey | undefined {
  if (!isRelayError(failure, 'epoch-erased') && !isRelayError(failure, 'unknown-epoch')) return undefined;
  const text = failure.details?.['record'];
  if (typeof text !== 'string') return undefined;
  try {
    const { ecdhPublic, epoch, signature } = decodeEcdhRecord(text);
    const content = ecdhRecordContent({ genesisHash, identity, ecdhPublic, epoch });
    const isProven = epoch > used.epoch && verify(fromHex(identity), content, signature);
    return isProven ? { epoch, ecdhKey: ecdhPublic } : undefined;
  } catch (error) {
    if (isRelayError(error)) return undefined;
    throw error;
  }
}

import { decodeEcdhRecord, ecdhRecordContent, fromHex, type Hex } from '../codec/index.ts';
import { verify } from '../crypto/index.ts';
import { isRelayError } from '../errors/index.ts';

export interface UsedKey {
  readonly genesisHash: Hex;
  /** The recipient. */
  readonly identity: Hex;
  /** What the message was sealed to. */
  readonly used: { readonly epoch: number };
}

/**
 * The EcdhKey (32 bytes) that a recipient names when it can't open a message any more (protocol.md §11): only with a record that
 * its identity signed for this chain, and only of a later epoch than the one that was used. Anything else gives undefined.
 */
export function newerKey(failure: unknown, { genesisHash, identity, used }: UsedKey): Uint8Array | undefined {
  if (!isRelayError(failure, 'epoch-erased') && !isRelayError(failure, 'unknown-epoch')) return undefined;
  const text = failure.details?.['record'];
  if (typeof text !== 'string') return undefined;
  try {
    const { ecdhPublic, epoch, signature } = decodeEcdhRecord(text);
    const content = ecdhRecordContent({ genesisHash, identity, ecdhPublic, epoch });
    return epoch > used.epoch && verify(fromHex(identity), content, signature) ? ecdhPublic : undefined;
  } catch (error) {
    if (isRelayError(error)) return undefined;
    throw error;
  }
}

import { hash256 } from './hash256.ts';
import { toBytes, toHex, type BytesLike, type Hex } from './hex.ts';

/** `blake2_256(genesisHash ‖ envelope bytes)` (protocol.md §5). */
export function messageId({
  genesisHash,
  envelope,
}: {
  readonly genesisHash: BytesLike;
  readonly envelope: Uint8Array;
}): Hex {
  return toHex(hash256(toBytes(genesisHash, 'genesisHash', 32), envelope));
}

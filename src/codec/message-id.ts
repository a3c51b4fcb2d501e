import { blake2b } from '@noble/hashes/blake2.js';
import { toBytes, toHex, type BytesLike, type Hex } from './hex.ts';

/** `blake2_256(genesisHash ‖ envelope bytes)` (protocol.md §5). */
export function messageId({
  genesisHash,
  envelope,
}: {
  readonly genesisHash: BytesLike;
  readonly envelope: Uint8Array;
}): Hex {
  const hash = blake2b.create({ dkLen: 32 });
  return toHex(
    hash
      .update(toBytes(genesisHash, 'genesisHash', 32))
      .update(envelope)
      .digest(),
  );
}

import { blake2b } from '@noble/hashes/blake2.js';
import { decodeForwarded, decodeSignedEnvelope, toBytes, toHex, type Hex } from '../codec/index.ts';
import { decodeV1 } from '../crypto/core.ts';

const domain = new TextEncoder().encode('khala-relay forward queue');

/**
 * Where a relay keeps what one sender sends to one recipient of others. Order is owed within it: a message that is refused for the
 * sake of its sender, whose part of a mailbox is full, holds up none of another. A name in the MailStore.
 */
export function forwardQueue(to: Hex, from: Hex): Hex {
  const hash = blake2b.create({ dkLen: 32 }).update(domain);
  return toHex(
    hash
      .update(toBytes(to, 'to', 32))
      .update(toBytes(from, 'from', 32))
      .digest(),
  );
}

/** What a queued message says of itself. Throws what the codec throws. */
export function queuedMessage(forwarded: Uint8Array): {
  readonly to: Hex;
  /** Unix time, ms. */
  readonly sentAt: number;
  readonly signedEnvelope: Uint8Array;
} {
  const { signedEnvelope } = decodeForwarded(forwarded);
  const { to, sentAt } = decodeV1(decodeSignedEnvelope(signedEnvelope).envelope).header;
  return { to, sentAt: Number(sentAt), signedEnvelope };
}

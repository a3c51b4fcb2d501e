import { blake2b } from '@noble/hashes/blake2.js';
import { toBytes, toHex, type Hex } from '../codec/index.ts';

const domain = new TextEncoder().encode('khala-relay reply box');

/**
 * Where a relay keeps what is answered to one key of one entity, apart from that entity's mailbox (docs/relay.md): who
 * asked needs no mailbox there, and who reads the mailbox does not meet the answers of others. A name in the MailStore.
 */
export function replyBox(identity: Hex, senderKey: Uint8Array): Hex {
  const hash = blake2b.create({ dkLen: 32 }).update(domain);
  return toHex(
    hash
      .update(toBytes(identity, 'identity', 32))
      .update(toBytes(senderKey, 'senderKey', 32))
      .digest(),
  );
}

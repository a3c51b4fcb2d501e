import { messageId, type Hex } from '../codec/index.ts';
import type { OpenedMessage } from './admission.ts';
import type { Delivery } from './inbox.ts';
import type { MessageRecord } from './stream-item.ts';

export interface DeliveryParts {
  readonly genesisHash: Hex;
  readonly isRegistered: (id: Hex) => boolean;
  readonly acknowledge: () => Promise<void>;
}

/** What the consumer gets of an accepted message. */
export function deliveryOf(
  { envelope, block, isFinal, isProven }: MessageRecord,
  { header, body }: OpenedMessage,
  { genesisHash, isRegistered, acknowledge }: DeliveryParts,
): Delivery {
  let acknowledged: Promise<void> | undefined;
  return {
    messageId: messageId({ genesisHash, envelope }),
    from: header.from,
    fromKind: header.fromKind,
    to: header.to,
    nonce: header.nonce,
    sentAt: header.sentAt,
    senderKey: header.senderKey,
    suite: 'v1',
    via: block === undefined ? 'relay' : 'chain',
    ...(block === undefined ? {} : { block: block.number }),
    finalized: isFinal,
    proven: isFinal && isProven,
    body,
    registered: header.fromKind === 'worker' && isRegistered(header.from),
    ack: () => (acknowledged ??= acknowledge()),
  };
}

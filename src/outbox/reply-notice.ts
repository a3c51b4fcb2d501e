import type { Hex } from '../codec/index.ts';

/** What a reply says of the message that it answers; a Delivery whose body is a reply has it all. */
export interface ReplyNotice {
  readonly messageId: Hex;
  /** Proven to be who answers. */
  readonly from: Hex;
  readonly inReplyTo: Hex;
  /** Unix time, ms, by its clock. */
  readonly sentAt: bigint;
}

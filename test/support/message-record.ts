import type { MessageRecord } from '../../src/inbox/stream-item.ts';

/** An accepted message as an inbox keeps it: off chain, proven and final, and nobody is done with it; but for what is given. */
export function messageRecord(other: Partial<MessageRecord> = {}): MessageRecord {
  return {
    kind: 'message',
    envelope: new Uint8Array(4),
    block: undefined,
    isFinal: true,
    isAcknowledged: false,
    isRetracted: false,
    isReinstated: false,
    isWaiting: false,
    isProven: true,
    ...other,
  };
}

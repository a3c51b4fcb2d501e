import type { MessageRecord } from './message-record.ts';

/** Where a message waits: off chain, or for an extrinsic as one of the two kinds of sender. */
export type Lane = 'relay' | ChainLane;
export type ChainLane = 'worker' | 'account';

/** The lane in which a message begins. */
export function firstLane({ as, via }: Pick<MessageRecord, 'as' | 'via'>, hasCarrier: boolean): Lane {
  if (as === 'account' || via === 'chain') return as;
  return via === 'relay' || hasCarrier ? 'relay' : as;
}

export function mayGoOnChain({ via }: Pick<MessageRecord, 'via'>): boolean {
  return via !== 'relay';
}

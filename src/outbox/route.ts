import type { MessageRecord } from './message-record.ts';

/** By which a message goes: off chain, or in an extrinsic as one of the two kinds of sender. */
export type Route = 'relay' | ChainRoute;
export type ChainRoute = 'worker' | 'account';

/** By which a message is tried first. */
export function firstRoute({ as, via }: Pick<MessageRecord, 'as' | 'via'>, hasCarrier: boolean): Route {
  if (as === 'account' || via === 'chain') return as;
  return via === 'relay' || hasCarrier ? 'relay' : as;
}

export function mayGoOnChain({ via }: Pick<MessageRecord, 'via'>): boolean {
  return via !== 'relay';
}

import { fromHex, type Hex } from '../codec/index.ts';
import { storeKey } from '../store/keys.ts';
import type { Route } from './route.ts';
import type { SendId } from './send-id.ts';

/** Of the outbox's keys in its store; a number or a hash follows. */
export const prefixes = {
  used: 'outbox/used/',
  message: 'outbox/message/',
  body: 'outbox/body/',
  signed: 'outbox/signed/',
  flight: 'outbox/flight/',
  extrinsic: 'outbox/extrinsic/',
  refused: 'outbox/refused/',
  requeued: 'outbox/requeued/',
  done: 'outbox/done/',
  asked: 'outbox/asked/',
  read: 'outbox/read/',
  delivery: 'outbox/delivery/',
} as const;

export const ownerKey = storeKey('outbox/owner');

/** Another value with each append: of the numbers in use only the last is kept, and it may have been taken twice meanwhile. */
export const appendedKey = storeKey('outbox/appended');

/** Another value with each extrinsic that is begun: who decides by those under way expects it. */
export const flightsKey = storeKey('outbox/flights');

/** Of what is only there or not. */
export const present = new Uint8Array(1);

/** An account and a number follow: what waits for one account is found without a look at what waits for others. */
export const accountsPrefix = 'outbox/queued/account-of/';

export function routePrefix(route: Route): string {
  return `outbox/queued/${route}/`;
}

/** Where a message waits; of an account's that an earlier version queued without its name, by its number alone. */
export function placeKey(route: Route, id: SendId, account: Hex | undefined): Uint8Array {
  if (route !== 'account' || account === undefined) return storeKey(routePrefix(route), id);
  return storeKey(accountsPrefix, fromHex(account), id);
}

export function askedKey(messageId: Hex): Uint8Array {
  return storeKey(prefixes.asked, fromHex(messageId));
}

export function deliveryKey(id: SendId): Uint8Array {
  return storeKey(prefixes.delivery, id);
}

export function refusedKey(extrinsic: Hex): Uint8Array {
  return storeKey(prefixes.refused, fromHex(extrinsic));
}

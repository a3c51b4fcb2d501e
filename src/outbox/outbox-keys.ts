import { fromHex, type Hex } from '../codec/index.ts';
import { storeKey } from '../store/keys.ts';
import type { Lane } from './lane.ts';

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
} as const;

export const ownerKey = storeKey('outbox/owner');

/** Of what is only there or not. */
export const present = new Uint8Array(1);

export function lanePrefix(lane: Lane): string {
  return `outbox/queued/${lane}/`;
}

export function askedKey(messageId: Hex): Uint8Array {
  return storeKey(prefixes.asked, fromHex(messageId));
}

export function refusedKey(extrinsic: Hex): Uint8Array {
  return storeKey(prefixes.refused, fromHex(extrinsic));
}

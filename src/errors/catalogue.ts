import { channelErrors } from './catalogue/channel.ts';
import { codecErrors } from './catalogue/codec.ts';
import { cryptoErrors } from './catalogue/crypto.ts';
import { generalErrors } from './catalogue/general.ts';
import { inboxErrors } from './catalogue/inbox.ts';
import { outboxErrors } from './catalogue/outbox.ts';
import { relayErrors } from './catalogue/relay.ts';
import { storeErrors } from './catalogue/store.ts';
import { vaultErrors } from './catalogue/vault.ts';
import { nodeOnlyErrors } from './node-only.ts';

/** Every failure that khala-relay reports, by stable code. docs/errors.md is generated from it. */
export const catalogue = {
  ...generalErrors,
  ...codecErrors,
  ...cryptoErrors,
  ...vaultErrors,
  ...channelErrors,
  ...outboxErrors,
  ...inboxErrors,
  ...relayErrors,
  ...storeErrors,
  ...nodeOnlyErrors,
} as const;

export type ErrorCode = keyof typeof catalogue;

export function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(catalogue, code);
}

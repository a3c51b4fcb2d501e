import type { Hex } from '../codec/index.ts';
import { isRelayError, type RelayError } from '../errors/index.ts';
import { httpStatusOf } from './http-status.ts';
import type { PostedReceipt } from './post-message.ts';

/**
 * What an attempt to hand a message on came to. circled: the other relay had it before, or it went too far. later: it does not take
 * that sender's, or that recipient's, at the moment, and others' as ever.
 */
export type Attempt = 'forwarded' | 'refused' | 'failed' | 'circled' | 'later';

// It may not have seen the recipient's registration yet.
const ofOneMessage: ReadonlySet<string> = new Set(['recipient-not-served', 'mailbox-full', 'reply-boxes-full']);
const mayChange: ReadonlySet<number> = new Set([404, 408, 425, 429]);
const loop = 508;

/** Taken is what a relay says so of by its id: a page that answers everything with 200 takes nothing. */
export function receiptOutcome(receipt: PostedReceipt, messageId: Hex): Attempt {
  return receipt.messageId === messageId ? 'forwarded' : 'failed';
}

/** Refused for good is what a relay refuses in the catalogue's words: whatever else stands at an address may be gone tomorrow. */
export function errorOutcome(error: unknown): Attempt {
  const status = isRelayError(error) ? httpStatusOf(error.code) : 500;
  if (status === loop) return 'circled';
  if (isRelayError(error) && isOfOneMessage(error)) return 'later';
  return mayChange.has(status) || status >= 500 ? 'failed' : 'refused';
}

/** Anybody may bring a relay to answer so, by what they send or have it keep. */
function isOfOneMessage({ code, details }: RelayError): boolean {
  // Any other than of an address, which is ours.
  const scope = details?.['scope'];
  if (code === 'rate-limited') return typeof scope === 'string' && scope !== 'this address';
  return ofOneMessage.has(code);
}

import type { Hex } from '../codec/index.ts';
import { isRelayError } from '../errors/index.ts';
import { httpStatusOf } from './http-status.ts';
import type { PostedReceipt } from './post-message.ts';

/** What an attempt to hand a message on came to. circled: the other relay had it before, or it went too far. */
export type Attempt = 'forwarded' | 'refused' | 'failed' | 'circled';

// 404: the other relay may not have seen the recipient's registration yet.
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
  return mayChange.has(status) || status >= 500 ? 'failed' : 'refused';
}

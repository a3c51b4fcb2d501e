import type { CatalogueEntry } from './entry.ts';

export const outboxErrors = {
  'too-large-for-chain': {
    message: 'The message takes {bytes} bytes, and the chain carries at most {limit} in one.',
    remedy: 'Split it into smaller messages.',
    usage: true,
  },
  'no-account': {
    message: 'Posting on chain needs an account that pays.',
    remedy: 'Give one with --suri, --suri-fd or KHALA_RELAY_SURI.',
    usage: true,
  },
  'outbox-setback': {
    message: 'Posting does not get on at the moment: {reason}.',
    remedy: 'What is queued stays and is tried again; report it if it does not pass.',
  },
  'outbox-replaced': {
    message: 'Another outbox has taken over this queue.',
    remedy: 'Run one for each entity; what this one posted is followed by the other.',
  },
  'outbox-changed': {
    message: 'The queue was changed by another process meanwhile.',
    remedy: 'Nothing to mend: what is left of it is put together again.',
  },
  'other-account': {
    message:
      'Messages wait in the queue for the account {queuedBy}, as which they were queued; this outbox posts as {account}.',
    remedy: 'Run it with that account (--suri), or take them back with khala-relay outbox cancel.',
  },
  'sequence-unsettled': {
    message:
      'Someone else posted for worker {worker}: its sequence is {best} at the best block, and {finalized} at the finalized one.',
    remedy: 'Nothing to mend: the messages go on once those blocks are finalized. Post for a worker from one place.',
  },
  'fee-too-high': {
    message: 'The message would cost {fee}, and may cost {maxFee}.',
    remedy: 'Retry it when the chain is less busy, or allow more: khala-relay outbox retry --max-fee.',
  },
  'no-delivery-receipt': {
    message: 'Message {sendId} was sent without asking whether it is delivered.',
    remedy: 'Send it with deliveryReceipt.',
    usage: true,
  },
  'delivery-timeout': {
    message: 'No relay has told within 25 h that the recipient has taken message {sendId}.',
    remedy: 'It may still take it: relays keep mail longer than they tell of it. Ask whether it was read.',
  },
  'no-read-receipt': {
    message: 'Message {sendId} was sent without asking whether it is read.',
    remedy: 'Send it with readReceipt.',
    usage: true,
  },
  'read-timeout': {
    message: 'The recipient of message {sendId} has not said within 7 days that it has read it.',
    remedy: 'Ask it by another message; it may have read this one: it says so only with --acknowledge.',
  },
  'send-cancelled': {
    message: 'The message was cancelled before it went, or given up.',
    remedy: 'Send it again if it is wanted after all.',
  },
  'no-such-message': {
    message: 'There is no message {sendId} in the outbox.',
    remedy: 'See those there are with khala-relay outbox ls.',
    usage: true,
  },
  'not-failed': {
    message: 'Message {sendId} did not fail, or its body is gone.',
    remedy: 'Only what failed and was not cancelled can be retried.',
    usage: true,
  },
  'too-late-to-retry': {
    message: 'Message {sendId} is more than 30 days old: its recipient would take it for a replay.',
    remedy: 'Send it anew.',
    usage: true,
  },
  'too-late-to-cancel': {
    message: 'Message {sendId} is {state}: it can not be taken back.',
    remedy:
      "Only what is still queued can be cancelled; a worker's message that is signed can be given up (outbox cancel --give-up), and may come in all the same.",
    usage: true,
  },
} as const satisfies Record<string, CatalogueEntry>;

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
} as const satisfies Record<string, CatalogueEntry>;

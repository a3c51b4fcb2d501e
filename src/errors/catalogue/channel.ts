import type { CatalogueEntry } from './entry.ts';

export const channelErrors = {
  'unknown-recipient': {
    message: 'No worker {id} is registered on this chain.',
    remedy: 'Check the id, and that --ws leads to the chain where the recipient registered.',
  },
  'unproven-key': {
    message: 'The EcdhKey of {id} has no record that proves it.',
    remedy: 'Ask its owner to run khala-relay endpoint set, or send without requiring proof.',
  },
  'clock-skew': {
    message: 'The message was sent at {sentAt}, further than {toleranceMs} ms from the clock here.',
    remedy: 'Set the clocks of both machines, and send again.',
  },
  'replay-too-old': {
    message: 'The message is older than what the replay window remembers.',
    remedy: 'Send it again with a new nonce.',
  },
} as const satisfies Record<string, CatalogueEntry>;

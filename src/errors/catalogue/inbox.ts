import type { CatalogueEntry } from './entry.ts';

export const inboxErrors = {
  'sender-not-proven': {
    message: 'The message says it is from {claimed}, but {proven} posted it.',
    remedy: 'Ignore it; whoever posted it is not who it names.',
  },
  'inbox-subscribed': {
    message: 'The inbox has a subscriber already.',
    remedy: 'Share the one subscription; each delivery goes to one consumer.',
  },
  'inbox-stopped': {
    message: 'The inbox can not go on: {reason}.',
    remedy: 'Start it again; nothing that was not acknowledged is lost.',
  },
} as const satisfies Record<string, CatalogueEntry>;

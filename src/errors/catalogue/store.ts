import type { CatalogueEntry } from './entry.ts';

export const storeErrors = {
  'store-failed': {
    message: 'The store {path} can not be used: {reason}.',
    remedy:
      'Check the free space and the permissions of the disk: what was acknowledged is kept. Of a file that is cut short, bring back a whole copy.',
  },
  'store-closed': {
    message: 'The store is closed.',
    remedy: 'Open it again.',
  },
  'store-in-use': {
    message: 'The store {path} is open in another tab, window or worker.',
    remedy: 'Go on there, or close it; patienceMs tells how long to wait for it.',
  },
  locked: {
    message: '{path} is in use by another process (pid {pid}).',
    remedy: 'Stop that process, or give another path.',
  },
} as const satisfies Record<string, CatalogueEntry>;

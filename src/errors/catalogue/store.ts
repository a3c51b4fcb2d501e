import type { CatalogueEntry } from './entry.ts';

export const storeErrors = {
  'store-failed': {
    message: 'The store {path} can not be used: {reason}.',
    remedy: 'Check the free space and the permissions of the disk; what was acknowledged before is kept.',
  },
  'store-closed': {
    message: 'The store is closed.',
    remedy: 'Open it again.',
  },
  locked: {
    message: '{path} is in use by another process (pid {pid}).',
    remedy: 'Stop that process, or give another path.',
  },
} as const satisfies Record<string, CatalogueEntry>;

import type { CatalogueEntry } from './entry.ts';

export const generalErrors = {
  aborted: {
    message: 'The caller gave up waiting.',
    remedy: 'Nothing to mend; call again where the result is still wanted.',
  },
  'wrong-chain': {
    message: 'The node at {url} is of another chain: its genesis hash is {actual}, not {expected}.',
    remedy: 'Give endpoints of one chain only; vaults, cursors and messages belong to the chain they were made for.',
  },
} as const satisfies Record<string, CatalogueEntry>;

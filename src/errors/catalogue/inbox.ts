import type { CatalogueEntry } from './entry.ts';

export const inboxErrors = {} as const satisfies Record<string, CatalogueEntry>;

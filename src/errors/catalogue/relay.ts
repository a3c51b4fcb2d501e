import type { CatalogueEntry } from './entry.ts';

export const relayErrors = {} as const satisfies Record<string, CatalogueEntry>;

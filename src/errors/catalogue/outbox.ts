import type { CatalogueEntry } from './entry.ts';

export const outboxErrors = {} as const satisfies Record<string, CatalogueEntry>;

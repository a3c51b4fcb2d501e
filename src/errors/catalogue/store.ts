import type { CatalogueEntry } from './entry.ts';

export const storeErrors = {} as const satisfies Record<string, CatalogueEntry>;

import type { CatalogueEntry } from './entry.ts';

export const vaultErrors = {} as const satisfies Record<string, CatalogueEntry>;

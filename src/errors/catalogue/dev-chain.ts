import type { CatalogueEntry } from './entry.ts';

export const devChainErrors = {} as const satisfies Record<string, CatalogueEntry>;

import type { CatalogueEntry } from './entry.ts';

export const workerStateErrors = {} as const satisfies Record<string, CatalogueEntry>;

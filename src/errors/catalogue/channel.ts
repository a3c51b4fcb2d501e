import type { CatalogueEntry } from './entry.ts';

export const channelErrors = {} as const satisfies Record<string, CatalogueEntry>;

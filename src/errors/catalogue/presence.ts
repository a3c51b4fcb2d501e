import type { CatalogueEntry } from './entry.ts';

export const presenceErrors = {
  'not-registered': {
    message: 'The entity {id} is not registered on this chain.',
    remedy: 'Register it with khala-relay register.',
  },
  'attestation-needed': {
    message: 'This chain registers no worker without attestation.',
    remedy: 'Register with the account of the sudo key, or let pRuntime register the worker.',
  },
} as const satisfies Record<string, CatalogueEntry>;

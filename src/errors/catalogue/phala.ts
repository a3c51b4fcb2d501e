import type { CatalogueEntry } from './entry.ts';

export const phalaErrors = {
  'phala-topic': {
    message: "The topic {topic} is one of Phala's own, which its workers stop on when they can not read a message.",
    remedy: "Use the topic of a contract's commands, phala/contract/<id>/command, or one outside of phala/.",
    usage: true,
  },
  'no-contract-key': {
    message: 'The chain knows no key to seal commands to {contract} with.',
    remedy: "Check the contract's id, or give the key with --key.",
  },
} as const satisfies Record<string, CatalogueEntry>;

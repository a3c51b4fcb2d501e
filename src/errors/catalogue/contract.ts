import type { CatalogueEntry } from './entry.ts';

export const contractErrors = {
  'bad-abi': {
    message: 'The ABI can not be read: {reason}.',
    remedy:
      'Give the metadata file that cargo contract builds for an ink! contract (its .json, or the .contract file).',
    usage: true,
  },
  'unknown-method': {
    message: 'The contract {contract} has no message {method}.',
    remedy: 'Take one of: {known}.',
    usage: true,
  },
  'bad-arguments': {
    message: 'The values do not fit "{method}": {reason}.',
    remedy:
      'Give JSON values of the types in the ABI: an array in order, or an object by name; large integers as text.',
    usage: true,
  },
} as const satisfies Record<string, CatalogueEntry>;

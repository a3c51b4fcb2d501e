import type { CatalogueEntry } from './entry.ts';

export const codecErrors = {
  'bad-id': {
    message: '"{value}" is not an id.',
    remedy: 'Give 32 bytes as 0x-hex (66 characters) or an SS58 address.',
    usage: true,
  },
  'bad-hex': {
    message: '{what} is not valid hex.',
    remedy: 'Give an even number of hex digits after 0x.',
    usage: true,
  },
  'bad-length': {
    message: '{what} must be {expected} bytes long, not {actual}.',
    remedy: 'Check that the value was not cut or padded on its way.',
    usage: true,
  },
  'bad-value': {
    message: '{what} is not valid: {reason}.',
    remedy: 'Give one that is; the reason says what is wrong with this one.',
    usage: true,
  },
  truncated: {
    message: '{what} ends too early: {needed} bytes needed at offset {offset}, {left} left.',
    remedy: 'The bytes were cut on their way or are of another format; ask the sender to send again.',
  },
  'trailing-bytes': {
    message: '{what} has {left} bytes after its end.',
    remedy: 'Remove the extra bytes; a valid encoding has none.',
  },
  'non-canonical': {
    message: '{what} is not encoded canonically.',
    remedy: 'Encode it with a conforming SCALE encoder; the shortest form is the only valid one.',
  },
  'unknown-variant': {
    message: '{what} has the unknown variant {variant}.',
    remedy: 'The sender may speak a newer version of the protocol; update khala-relay.',
  },
  'bad-ecdh-record': {
    message: 'The ECDH record is not well formed: {reason}.',
    remedy: 'Publish it again with khala-relay endpoint set or khala-relay rotate.',
  },
  'field-mismatch': {
    message: 'The field {field} differs from the header of the envelope.',
    remedy: 'Fill the JSON fields from the envelope itself.',
  },
} as const satisfies Record<string, CatalogueEntry>;

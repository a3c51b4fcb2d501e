import type { Hex } from '../../codec/index.ts';
import { isRelayError, RelayError } from '../../errors/index.ts';
import { parseHeader, type Header } from './header.ts';

/**
 * The header of the block with this hash, as an endpoint gave it. Throws rpc-failed for what is no object, as where it has no
 * such block; node-lies for one that no block with this hash can have.
 */
export function headerOf(hash: Hex, value: unknown, url: string, hashOf: (header: Header) => Hex): Header {
  const header = readHeader(value, url, hash);
  if (hashOf(header) === hash) return header;
  throw lie(url, hash, 'the header it gives for it does not have that hash');
}

/** A header whatever its hash. Throws rpc-failed for what is no object; node-lies about `block` for one that no block has. */
export function readHeader(value: unknown, url: string, block: string): Header {
  try {
    return parseHeader(value);
  } catch (error) {
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    if (!isObject || !isRelayError(error, 'rpc-failed')) throw error;
    throw lie(url, block, String(error.details?.['reason']));
  }
}

/** `0x` and the digits of a u32. */
const maxNumberLength = 10;

/** One that an endpoint tells of by itself. Throws as {@link readHeader}, about the number that it says where that may be one. */
export function headerToldOf(value: unknown, url: string): Header {
  const { number } = { ...(value as { readonly number?: unknown } | null) };
  const isShort = typeof number === 'string' && number.length <= maxNumberLength;
  return readHeader(value, url, isShort ? number : 'that it tells of');
}

function lie(url: string, block: string, reason: string): RelayError {
  return new RelayError('node-lies', { details: { url, block, reason } });
}

import type { Hex } from '../../codec/index.ts';
import { RelayError } from '../../errors/index.ts';
import { hexValues } from '../storage/fast-hex.ts';

/** Of `0x` and 32 bytes. */
const hashChars = 66;
const firstUpperCase = 0x41;
const lastUpperCase = 0x5a;

/** Answers come from a node that nobody vouches for: each is checked where it enters. */
export function expectHex(value: unknown, method: string): Hex {
  if (typeof value !== 'string' || !value.startsWith('0x')) throw unexpected(method, 'it is not hex');
  // By hand: lists of hashes are long, and an expression takes three times as long for each.
  let isLowerCase = true;
  for (let i = 2; i < value.length; i++) {
    const code = value.charCodeAt(i);
    if ((hexValues[code] ?? 255) > 15) throw unexpected(method, 'it is not hex');
    if (code <= lastUpperCase && code >= firstUpperCase) isLowerCase = false;
  }
  return (isLowerCase ? value : value.toLowerCase()) as Hex;
}

/** 32 bytes. */
export function expectHash(value: unknown, method: string): Hex {
  const hex = expectHex(value, method);
  if (hex.length !== hashChars) throw unexpected(method, 'a hash in it is not of 32 bytes');
  return hex;
}

/** Whole bytes, at least one. */
export function expectBytes(value: unknown, method: string): Hex {
  const hex = expectHex(value, method);
  if (hex.length === 2 || hex.length % 2 !== 0) throw unexpected(method, 'it is not whole bytes');
  return hex;
}

export function expectArray(value: unknown, method: string): readonly unknown[] {
  if (!Array.isArray(value)) throw unexpected(method, 'it is not a list');
  return value as unknown[];
}

export function expectObject(value: unknown, method: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw unexpected(method, 'it is not an object');
  return value as Record<string, unknown>;
}

/** A whole number from 0 up to `max`, given as such, as decimal or as 0x-hex. */
export function expectNumber(value: unknown, method: string, max = Number.MAX_SAFE_INTEGER): number {
  const number = typeof value === 'string' ? Number(value) : value;
  if (typeof number !== 'number' || !Number.isSafeInteger(number)) throw unexpected(method, 'it is not a number');
  if (number < 0 || number > max) throw unexpected(method, `no number of a block is ${number}`);
  return number;
}

function unexpected(method: string, what: string): RelayError {
  return new RelayError('rpc-failed', { details: { method, reason: `its answer makes no sense: ${what}` } });
}

import type { Hex } from '../../codec/index.ts';
import { RelayError } from '../../errors/index.ts';

/** Answers come from a node that nobody vouches for: each is checked where it enters. */
export function expectHex(value: unknown, method: string): Hex {
  if (typeof value !== 'string' || !/^0x[0-9a-fA-F]*$/.test(value)) throw unexpected(method, 'it is not hex');
  return value.toLowerCase() as Hex;
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

/** A number given as such, as decimal or as 0x-hex. */
export function expectNumber(value: unknown, method: string): number {
  const number = typeof value === 'string' ? Number(value) : value;
  if (typeof number !== 'number' || !Number.isSafeInteger(number)) throw unexpected(method, 'it is not a number');
  return number;
}

function unexpected(method: string, what: string): RelayError {
  return new RelayError('rpc-failed', { details: { method, reason: `its answer makes no sense: ${what}` } });
}

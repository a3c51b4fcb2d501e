import { RelayError } from './relay-error.ts';

/** For those whom no type holds to it. Throws bad-value where `isValid` is false; `allowed` goes on after "it is not". */
export function checkValue(what: string, isValid: boolean, allowed: string): void {
  if (!isValid) throw new RelayError('bad-value', { details: { what, reason: `it is not ${allowed}` } });
}

/** An id, a nonce or a cursor. Throws bad-value. */
export function checkU64(what: string, value: bigint): void {
  checkValue(what, isBigint(value) && BigInt.asUintN(64, value) === value, 'a bigint from 0 to 2^64 - 1');
}

/** For those whom no type holds to it: a number compares with a bigint as if it were one. */
export function isBigint(value: unknown): value is bigint {
  return typeof value === 'bigint';
}

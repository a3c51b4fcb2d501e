import assert from 'node:assert/strict';
import { RelayError, type ErrorCode } from '../../src/errors/index.ts';

/** What `work` throws, which must be a RelayError of one of the codes. */
export function thrown(work: () => unknown, ...codes: readonly ErrorCode[]): RelayError {
  try {
    work();
  } catch (error) {
    return checked(error, codes);
  }
  return assert.fail(`nothing was thrown instead of ${codes.join(' or ')}`);
}

/** As {@link thrown}, of a promise. */
export async function rejected(work: Promise<unknown>, ...codes: readonly ErrorCode[]): Promise<RelayError> {
  try {
    await work;
  } catch (error) {
    return checked(error, codes);
  }
  return assert.fail(`nothing was thrown instead of ${codes.join(' or ')}`);
}

function checked(error: unknown, codes: readonly ErrorCode[]): RelayError {
  assert.ok(error instanceof RelayError, `${String(error)} is no RelayError`);
  assert.ok(codes.includes(error.code), `${error.code} (${error.message}) instead of ${codes.join(' or ')}`);
  return error;
}

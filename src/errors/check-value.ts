import { RelayError } from './relay-error.ts';

/** For those whom no type holds to it. Throws bad-value where `isValid` is false; `allowed` goes on after "it is not". */
export function checkValue(what: string, isValid: boolean, allowed: string): void {
  if (!isValid) throw new RelayError('bad-value', { details: { what, reason: `it is not ${allowed}` } });
}

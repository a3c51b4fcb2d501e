import type { RelayError } from '../errors/index.ts';
import { warn } from './warn.ts';

/** Prints what an outbox or an inbox found and goes on in spite of. */
export function tellNotice({ code, message, remedy }: RelayError): void {
  warn(`note: ${message} [${code}] ${remedy}`);
}

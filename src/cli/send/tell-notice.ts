import type { RelayError } from '../../errors/index.ts';

/** Prints what an outbox found and goes on in spite of. */
export function tellNotice({ code, message, remedy }: RelayError): void {
  process.stderr.write(`khala-relay: note: ${message} [${code}] ${remedy}\n`);
}

import { catalogue, RelayError } from '../errors/index.ts';
import type { Output } from './output.ts';
import { warn } from './warn.ts';

/** Exit codes of the CLI contract. */
export const exitCodes = { failed: 1, usage: 2, readerGone: 141 } as const;

/** Prints what went wrong and what to do in one line on stderr, and with --json as an event on stdout too; the exit code. */
export function reportError(error: unknown, output?: Output): number {
  const known = error instanceof RelayError ? error : internal(error);
  const { code, message, remedy, details } = known;
  if (output?.isJson === true) output.print({ event: 'error', code, message, remedy, details }, '');
  warn(`${message} [${code}] ${remedy}`);
  if (process.env['KHALA_RELAY_DEBUG'] !== undefined) process.stderr.write(`${stackOf(error)}\n`);
  return 'usage' in catalogue[code] ? exitCodes.usage : exitCodes.failed;
}

function internal(error: unknown): RelayError {
  const reason = error instanceof Error ? error.message : String(error);
  return new RelayError('internal', { details: { reason }, cause: error });
}

function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause === undefined ? '' : `\ncaused by ${stackOf(error.cause)}`;
  return `${error.stack ?? error.message}${cause}`;
}

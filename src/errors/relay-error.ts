import type { CatalogueEntry } from './catalogue/entry.ts';
import { catalogue, type ErrorCode } from './catalogue.ts';

/** Facts about one failure that are safe to log: never plaintext, keys or passphrases. */
export type ErrorDetails = Readonly<Record<string, string | number | bigint | boolean | undefined>>;

export interface RelayErrorOptions {
  readonly details?: ErrorDetails;
  readonly cause?: unknown;
}

/**
 * The only error type that leaves khala-relay. `code` is stable and listed in docs/errors.md; `message` says what
 * happened; `remedy` what to do about it.
 */
export class RelayError extends Error {
  override readonly name = 'RelayError';
  readonly code: ErrorCode;
  readonly remedy: string;
  readonly details?: ErrorDetails;

  constructor(code: ErrorCode, options: RelayErrorOptions = {}) {
    const entry = (catalogue as Partial<typeof catalogue>)[code] ?? unknown(code);
    super(fill(entry.message, options.details), options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.remedy = fill(entry.remedy, options.details);
    if (options.details !== undefined) this.details = options.details;
  }
}

/** Passes a RelayError through and wraps anything else in one of the given code. */
export function asRelayError(error: unknown, code: ErrorCode, details?: ErrorDetails): RelayError {
  if (error instanceof RelayError) return error;
  const reason = error instanceof Error ? error.message : String(error);
  return new RelayError(code, { details: { ...details, reason }, cause: error });
}

export function isRelayError(error: unknown, code?: ErrorCode): error is RelayError {
  return error instanceof RelayError && (code === undefined || error.code === code);
}

/** Only in browsers: one of another part, in whose words there it is not to be said. */
function unknown(code: string): CatalogueEntry {
  return { message: `${code}.`, remedy: 'docs/errors.md says what it means.' };
}

/** A detail that is a sentence of its own ends that of the template. */
function fill(template: string, details: ErrorDetails = {}): string {
  return template.replace(/\{(\w+)\}(\.?)/g, (_, name: string, end: string) => {
    const detail = String(details[name] ?? 'unknown');
    return detail.endsWith('.') ? detail : detail + end;
  });
}

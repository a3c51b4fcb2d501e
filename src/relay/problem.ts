import { asRelayError, RelayError } from '../errors/index.ts';
import { httpStatusOf, publicError } from './http-status.ts';
import { toWire } from './wire-error.ts';

export const problemType = 'application/problem+json';

/** RFC 9457, with the catalogue's code. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: string;
  readonly remedy: string;
  readonly details?: Readonly<Record<string, string | number | boolean>>;
}

export function toProblem(error: unknown): Problem {
  const { code, message, remedy, details } = toWire(publicError(asRelayError(error, 'relay-failed')));
  return {
    type: `urn:khala-relay:error:${code}`,
    title: code,
    status: httpStatusOf(code),
    detail: message,
    code,
    remedy,
    ...(Object.keys(details).length > 0 && { details }),
  };
}

/** What fastify refuses by itself, in the catalogue's words. */
export function fromFastify(error: unknown): RelayError {
  if (error instanceof RelayError) return error;
  const { code, statusCode = 500, message } = error as { code?: string; statusCode?: number; message?: string };
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') return new RelayError('unsupported-media-type');
  if (statusCode < 500) return new RelayError('bad-request', { details: { reason: message ?? 'it is malformed' } });
  return asRelayError(error, 'relay-failed');
}

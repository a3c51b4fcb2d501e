import { RelayError } from '../errors/index.ts';

/** The relay answers a request as if it were another. */
export function unexpected(type: string): RelayError {
  return new RelayError('bad-frame', { details: { reason: `${type} answers another request` } });
}

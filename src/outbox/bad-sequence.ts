import type { RelayError } from '../errors/index.ts';

/** The chain's word that a worker's message does not fit: something else has its sequence, or none has the one before. */
export function isBadSequence({ code, details }: RelayError): boolean {
  return code === 'dispatch-failed' && details?.['pallet'] === 'PhalaMq' && details['error'] === 'BadSequence';
}

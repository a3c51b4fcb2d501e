import type { ErrorCode } from './catalogue.ts';
import { RelayError } from './relay-error.ts';

const codes: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'store-failed',
  'store-closed',
  'store-in-use',
  'store-of-another-chain',
  'store-of-newer-version',
  'vault-closed',
  'vault-io',
  'vault-missing',
  'vault-exposed',
  'locked',
  'agent-gone',
  'agent-busy',
  'agent-refused',
  'agent-version',
  'agent-protocol',
]);

/**
 * Whether an error tells of this machine (its disk, its vault) and not of the message at hand: such a message must come
 * again, and neither be buried nor acknowledged. True for what is no RelayError.
 */
export function isLocalFailure(error: unknown): boolean {
  return !(error instanceof RelayError) || codes.has(error.code);
}

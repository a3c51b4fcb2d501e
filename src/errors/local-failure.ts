import type { ErrorCode } from './catalogue.ts';
import { RelayError } from './relay-error.ts';

const unreadVault: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'vault-io',
  'vault-missing',
  'vault-exposed',
  'vault-resealed',
  'vault-foreign',
  'vault-too-new',
  'vault-truncated',
  'vault-corrupt',
  'wrong-passphrase',
  'wrong-seal-key',
]);

const others: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'store-failed',
  'store-closed',
  'store-in-use',
  'store-of-another-chain',
  'store-of-newer-version',
  'vault-closed',
  'locked',
  'agent-gone',
  'agent-busy',
  'agent-refused',
  'agent-version',
  'agent-protocol',
]);

/**
 * Whether an error tells of this machine (its disk, its vault) and not of the message at hand: such a message must come
 * again, and neither be refused for good nor acknowledged. True for what is no RelayError.
 */
export function isLocalFailure(error: unknown): boolean {
  return !(error instanceof RelayError) || others.has(error.code) || isVaultUnread(error);
}

/**
 * Whether a vault's file can not be read. What its keys in memory do not open may be for a key that the file has: nobody
 * knows until it is read again. All else still opens.
 */
export function isVaultUnread(error: unknown): error is RelayError {
  return error instanceof RelayError && isOfUnreadVault(error.code);
}

/** {@link isVaultUnread}, of an error's code. */
export function isOfUnreadVault(code: ErrorCode): boolean {
  return unreadVault.has(code);
}

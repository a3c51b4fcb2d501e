export { checkU64, checkValue, isBigint } from './check-value.ts';
export { isLocalFailure, isOfUnreadVault, isVaultUnread } from './local-failure.ts';
export { asRelayError, isRelayError, RelayError } from './relay-error.ts';
export type { ErrorDetails, RelayErrorOptions } from './relay-error.ts';
export { catalogue, isErrorCode } from './catalogue.ts';
export type { ErrorCode } from './catalogue.ts';
export type { CatalogueEntry } from './catalogue/entry.ts';

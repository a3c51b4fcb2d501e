import { Reader } from '../../codec/index.ts';

/** `AccountInfo`: nonce, consumers, providers and sufficients (u32 each), then `AccountData` with the free balance first. */
const countersBytes = 16;

/** The free balance of an encoded `AccountInfo`, in the smallest unit; 0 where there is no account. */
export function freeBalanceIn(accountInfo: Uint8Array | undefined): bigint {
  if (accountInfo === undefined) return 0n;
  const reader = new Reader(accountInfo, 'System.Account');
  reader.fixed(countersBytes);
  return reader.u64() + (reader.u64() << 64n);
}

/** The same in whole tokens, cut to six decimals. */
export function formatBalance(accountInfo: Uint8Array | undefined, decimals: number): string {
  const free = freeBalanceIn(accountInfo);
  const unit = 10n ** BigInt(decimals);
  const fraction = (free % unit).toString().padStart(decimals, '0').slice(0, 6).replace(/0+$/, '');
  return `${free / unit}${fraction === '' ? '' : `.${fraction}`}`;
}

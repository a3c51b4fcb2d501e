import { Reader } from '../../codec/index.ts';

/** `AccountInfo`: nonce, consumers, providers and sufficients (u32 each), then `AccountData` with the free balance first. */
const countersBytes = 16;

/** The free balance of an encoded `AccountInfo` in whole tokens, cut to six decimals; 0 where there is no account. */
export function formatBalance(accountInfo: Uint8Array | undefined, decimals: number): string {
  if (accountInfo === undefined) return '0';
  const reader = new Reader(accountInfo, 'System.Account');
  reader.fixed(countersBytes);
  const free = reader.u64() + (reader.u64() << 64n);
  const unit = 10n ** BigInt(decimals);
  const fraction = (free % unit).toString().padStart(decimals, '0').slice(0, 6).replace(/0+$/, '');
  return `${free / unit}${fraction === '' ? '' : `.${fraction}`}`;
}

import { RelayError } from '../errors/index.ts';

/** In the chain's smallest unit. Throws bad-setting. */
export function amount(text: string): bigint {
  if (/^[0-9]{1,19}$/.test(text)) return BigInt(text);
  throw new RelayError('bad-setting', { details: { name: 'amount', reason: `"${text}" is no whole number` } });
}

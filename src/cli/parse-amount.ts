import { RelayError } from '../errors/index.ts';

/** Parser of an option's amount, in the chain's smallest unit. It throws bad-setting, by the option's name. */
export function amountOf(name: string): (text: string) => bigint {
  return (text) => {
    if (/^[0-9]{1,19}$/.test(text)) return BigInt(text);
    throw new RelayError('bad-setting', { details: { name, reason: `"${text}" is no whole number` } });
  };
}

import { RelayError } from '../errors/index.ts';

/** `--from`. Throws bad-setting. */
export function firstBlock(text: string): number | 'head' {
  if (text === 'head') return text;
  if (!/^[0-9]{1,10}$/.test(text))
    throw new RelayError('bad-setting', { details: { name: 'from', reason: 'it is neither head nor a block number' } });
  return Number(text);
}

/** `--count`. Throws bad-setting. */
export function messageCount(text: string): number {
  if (!/^[1-9][0-9]{0,8}$/.test(text))
    throw new RelayError('bad-setting', { details: { name: 'count', reason: 'it is not a positive number' } });
  return Number(text);
}

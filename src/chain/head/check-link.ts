import { RelayError } from '../../errors/index.ts';
import type { Head } from './head.ts';

/** Throws chain-forked where `head` does not follow the block that was given before. */
export function checkLink(last: Pick<Head, 'hash'>, head: Head): void {
  if (head.parentHash !== last.hash)
    throw new RelayError('chain-forked', { details: { block: head.number, found: head.hash, seen: last.hash } });
}

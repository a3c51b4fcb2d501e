import { RelayError } from '../../errors/index.ts';
import type { Head } from './head.ts';

/** The parent. Throws node-lies, before it is known who told of it, where that has another number; state-discarded. */
export async function checkParent(head: Head, parentOf: (head: Head) => Promise<Head>): Promise<Head> {
  const { number, hash } = head;
  if (number === 0) return head;
  const parent = await parentOf(head);
  if (parent.number === number - 1) return parent;
  const reason = `it is told of as block ${number}, and its parent is block ${parent.number}`;
  throw new RelayError('node-lies', { details: { url: '', block: hash, reason } });
}

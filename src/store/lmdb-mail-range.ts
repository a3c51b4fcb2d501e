import type { Hex } from '../codec/index.ts';
import { mailKey } from './lmdb-mail-layout.ts';
import type { Database } from 'lmdb';

/** Messages of a recipient from one cursor to another, both included. */
export function mailRange<V>(mail: Database<V, Buffer>, recipient: Hex, from: bigint, to: bigint, limit: number) {
  return mail.getRange({ start: mailKey(recipient, from), end: mailKey(recipient, to), inclusiveEnd: true, limit });
}

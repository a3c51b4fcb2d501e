import type { Hex } from '../codec/index.ts';
import { mailKey } from './lmdb-mail-layout.ts';
import type { Binary } from './lmdb-mail-tables.ts';

/** Messages of a recipient from one cursor to another, both included. */
export function mailRange(mail: Binary, recipient: Hex, from: bigint, to: bigint, limit: number) {
  return mail.getRange({ start: mailKey(recipient, from), end: mailKey(recipient, to), inclusiveEnd: true, limit });
}

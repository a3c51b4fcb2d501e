import type { ReplayWindow } from '../channel/index.ts';
import { messageId, type Hex } from '../codec/index.ts';
import { checkU64, isOfUnreadVault, type ErrorCode } from '../errors/index.ts';
import type { Write } from '../store/index.ts';
import type { Vault } from '../vault/index.ts';
import { openAll } from './admission.ts';
import { checkRelayed, checkSender } from './sender-checks.ts';
import { reasonOfDeath } from './dead-letter.ts';
import type { InboxStore } from './inbox-store.ts';
import type { SequencedLetter } from './stored-letters.ts';
import type { Sequence } from './stream-item.ts';
import type { Transactions } from './transactions.ts';

/** Letters tried where none are named. */
const oldestLetters = 256;
/** One transaction tries so many, … */
const lettersAtOnce = 256;
/** … or so many bytes of them. */
const bytesAtOnce = 2 ** 22;

/** What became of a dead letter that was tried again. */
export interface Retried {
  readonly sequence: Sequence;
  readonly messageId: Hex;
  /** accepted: it is delivered. duplicate: its nonce was delivered meanwhile, and it is dropped. dead: it stays. */
  readonly outcome: 'accepted' | 'duplicate' | 'dead';
  /** Why it stays dead. */
  readonly code?: ErrorCode;
}

export interface RetryParts {
  readonly store: InboxStore;
  readonly window: ReplayWindow;
  readonly vault: Vault;
  readonly genesisHash: Hex;
  /** Unix time, ms. */
  readonly now: () => number;
}

/** Tries dead letters again: the named ones, or the oldest. Each transaction takes some of many. Throws bad-value. */
export async function retryLetters(
  transactions: Transactions,
  parts: RetryParts,
  letters: readonly Sequence[] | undefined,
): Promise<readonly Retried[]> {
  checkLetters(letters);
  const all: Retried[] = [];
  const wanted = letters ?? (await parts.store.letters.sequences(oldestLetters));
  // A transaction reads its letters before it removes any: what is named twice would be accepted twice.
  for (let left: readonly Sequence[] = [...new Set(wanted)]; left.length > 0;) {
    const named = left;
    let retried: readonly Retried[] = [];
    await transactions.inTurn(() =>
      transactions.transact(async (start) => {
        const plan = await planRetry(parts, named, start);
        ({ retried, left } = plan);
        return plan;
      }),
    );
    all.push(...retried);
  }
  return all;
}

/** Tries those again that wait for the vault's file to be read: the oldest, and all others where it can be. */
export async function retryUnread(transactions: Transactions, parts: RetryParts): Promise<void> {
  const { letters } = parts.store;
  let page = await letters.unread(0n, 1);
  for (let isProbe = true; ; isProbe = false) {
    const last = page.at(-1);
    if (last === undefined) return;
    const [retried] = await retryLetters(transactions, parts, page);
    if (isProbe && retried?.code !== undefined && isOfUnreadVault(retried.code)) return;
    page = await letters.unread(last + 1n, lettersAtOnce);
  }
}

/** Throws bad-value. */
export function checkLetters(letters: readonly Sequence[] = []): void {
  for (const sequence of letters) checkU64('letters', sequence);
}

/** The first of those named, as many as one transaction tries. */
async function planRetry(
  { store, window, vault, genesisHash, now }: RetryParts,
  named: readonly Sequence[],
  start: Sequence,
): Promise<{ writes: Write[]; next: Sequence; retried: Retried[]; left: readonly Sequence[] }> {
  const { letters, left } = await lettersOf(store, named);
  const opened = await openAll(
    { vault, genesisHash },
    letters.map(([, letter]) => letter),
  );
  const batch = window.begin();
  const writes: Write[] = [];
  const retried: Retried[] = [];
  let next = start;
  for (const [i, [sequence, letter]] of letters.entries()) {
    const { envelope, sender, block, isFinal, isProven } = letter;
    const id = messageId({ genesisHash, envelope });
    const message = opened[i];
    try {
      if (message === undefined || message instanceof Error) throw message ?? new Error('every letter was opened');
      const { header } = message;
      if (sender !== undefined) checkSender(header, sender);
      const own = await window.find(header, header.nonce);
      // It was accepted once and could not be opened later: the nonce is its own.
      const isOwn = own === sequence;
      if (block === undefined && !isOwn) checkRelayed(header, { toleranceMs: window.retentionMs }, now());
      const via = block === undefined ? ('relay' as const) : ('chain' as const);
      const { nonce, sentAt } = header;
      const isNew = isOwn || (await batch.admit({ channel: header, nonce, sentAt, via, isFinal, tag: next }));
      // It may become a dead letter once more.
      if (isOwn) writes.push(await window.retag({ channel: header, via, nonce, tag: next }));
      writes.push(...store.letters.removeWrites(sequence));
      retried.push({ sequence, messageId: id, outcome: isNew ? 'accepted' : 'duplicate' });
      if (block !== undefined && !isFinal) writes.push(store.early.messageWrite(block.number, sequence, false));
      if (!isNew) continue;
      const flags = {
        isFinal,
        isProven,
        isAcknowledged: false,
        isRetracted: false,
        isReinstated: false,
        isWaiting: !isFinal,
      };
      writes.push(store.itemWrite(next, { kind: 'message', envelope, block, ...flags }));
      if (block !== undefined && !isFinal)
        writes.push(
          store.early.messageWrite(block.number, next, true),
          store.early.copyWrite(next, await store.early.copy(sequence)),
          store.early.copyWrite(sequence, undefined),
        );
      next += 1n;
    } catch (error) {
      const { code } = reasonOfDeath(error);
      // That its vault's file can not be read yet is no try.
      const retries = letter.retries + (isOfUnreadVault(code) ? 0 : 1);
      if (code !== letter.code || retries !== letter.retries)
        writes.push(...store.letters.writes(sequence, { ...letter, code, retries }));
      retried.push({ sequence, messageId: id, outcome: 'dead', code });
    }
  }
  return { writes: [...writes, ...(await batch.finish())], next, retried, left };
}

async function lettersOf(store: InboxStore, named: readonly Sequence[]) {
  const letters: SequencedLetter[] = [];
  let bytes = 0;
  for (const [i, sequence] of named.entries()) {
    if (letters.length >= lettersAtOnce || bytes >= bytesAtOnce) return { letters, left: named.slice(i) };
    const letter = await store.letters.get(sequence);
    if (letter === undefined) continue;
    letters.push([sequence, letter]);
    bytes += letter.envelope.length;
  }
  return { letters, left: [] };
}

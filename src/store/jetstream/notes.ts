/**
 * Of a message: `storedAt writer sender kind`, of a tombstone: `storedAt cursor`, of a mailbox:
 * `writtenAt acknowledged`. `writer` is the one append that wrote it, so that
 * who got no answer can tell its own message from another's.
 */
export const noteHeader = 'Khala-Mail';

/** By which JetStream knows a message again. */
export const keyHeader = 'Nats-Msg-Id';

const answer = 'answer';

/** `sender`: whose room it takes; empty: nobody's. `isAnswer`: the mailboxes that hold such messages of it are counted. */
export function mailNote(storedAt: number, writer: string, sender: string, isAnswer: boolean): string {
  return `${Math.trunc(storedAt)} ${writer} ${sender} ${isAnswer ? answer : ''}`.trimEnd();
}

export function tombstoneNote(storedAt: number, cursor: number): string {
  return `${Math.trunc(storedAt)} ${cursor}`;
}

export function stateNote(writtenAt: number, acknowledged: number): string {
  return `${Math.trunc(writtenAt)} ${acknowledged}`;
}

/** Unix time, ms. */
export function storedAtOf(note: string): number {
  return Number(note.slice(0, note.indexOf(' ')));
}

/** Writer of a message, cursor of a tombstone, or what is acknowledged of a mailbox. */
export function markOf(note: string): string {
  return note.split(' ', 2)[1] ?? '';
}

/** Whose room a message takes; empty: nobody's. */
export function senderOf(note: string): string {
  return note.split(' ', 3)[2] ?? '';
}

export function isAnswerOf(note: string): boolean {
  return note.endsWith(` ${answer}`);
}

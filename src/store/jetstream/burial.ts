import type { MailHeader } from './header-scan.ts';
import type { MailboxPlace } from './layout.ts';
import { noteHeader, tombstoneNote } from './notes.ts';
import type { Shard } from './shard.ts';

export interface BurialTimes {
  readonly dedupeMs: number;
  /** Unix time, ms. */
  readonly now: () => number;
}

export type Place = Shard & MailboxPlace;

/** Writes tombstones, each for as long as its id is to be known; false: there is no room for all. Throws mail-store-failed. */
export async function bury(place: Place, gone: readonly MailHeader[], times: BurialTimes): Promise<boolean> {
  const written = await Promise.all(gone.map((header) => buryOne(place, header, times)));
  return written.every(Boolean);
}

async function buryOne(
  { burials, tombstone }: Place,
  { idToken, sequence, storedAt }: MailHeader,
  { dedupeMs, now }: BurialTimes,
): Promise<boolean> {
  const seconds = Math.ceil((storedAt + dedupeMs - now()) / 1_000);
  if (seconds <= 0) return true;
  const published = await burials.publish({
    subject: tombstone(idToken),
    headers: { [noteHeader]: tombstoneNote(storedAt, sequence), 'Nats-TTL': `${seconds}s` },
  });
  return !('refused' in published && published.refused === 'full');
}

import { completed } from './completed.ts';
import type { SenderEntry } from './ledger.ts';

/** What senders have queued that is neither final nor failed, by their receipts. */
export function unended(
  senders: readonly { readonly id: string; readonly entries: readonly SenderEntry[] }[],
): string[] {
  return senders.flatMap(({ id, entries: written }) => {
    const { entries } = completed(written);
    const open = new Map<string, string>();
    const places = new Map<string, string>();
    for (const entry of entries) if (entry.event === 'meant') places.set(entry.text, entry.to);
    for (const entry of entries) {
      if (entry.event === 'queued') open.set(`${places.get(entry.text) ?? ''} ${entry.nonce}`, `"${entry.text}"`);
      if (entry.event === 'command-queued') open.set(entry.sendId, `the command "${entry.text}"`);
    }
    for (const entry of entries) {
      if (entry.event === 'finalized' || entry.event === 'failed') open.delete(`${entry.to} ${entry.nonce}`);
      if (entry.event === 'command-finalized' || entry.event === 'command-failed') open.delete(entry.sendId);
    }
    return [...open.values()].map((what) => `${what} of ${id} has no end, by its receipt`);
  });
}

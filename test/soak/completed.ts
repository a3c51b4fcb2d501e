import type { SenderEntry } from './ledger.ts';

type Of<Event extends SenderEntry['event']> = Extract<SenderEntry, { readonly event: Event }>;

/** A sender's ledger with what a crash kept out of it, by what its queue held at the next start. */
export interface Completed {
  readonly entries: readonly SenderEntry[];
  /** Texts that it was about to queue, and its queue never held. */
  readonly neverQueued: ReadonlySet<string>;
  /** What its queue held and it was never about to queue. */
  readonly unmeant: readonly string[];
}

/**
 * A sender queues one after the other, so that a crash keeps the line that it was queued from one at the most. The next start
 * lists the queue: that one is in it, or never was.
 */
export function completed(entries: readonly SenderEntry[]): Completed {
  const all: SenderEntry[] = [];
  const neverQueued = new Set<string>();
  const unmeant: string[] = [];
  const known = new Set<string>();
  const recipients = new Map<string, string>();
  let open: Of<'meant' | 'command-meant'> | undefined;
  const add = (entry: SenderEntry): void => {
    all.push(entry);
    if (entry.event === 'meant' || entry.event === 'command-meant') {
      recipients.set(entry.text, entry.to);
      open = entry;
    } else if (entry.event === 'queued' || entry.event === 'command-queued') {
      known.add(nameOf(entry, recipients.get(entry.text)));
      open = undefined;
    }
  };
  for (const entry of entries) {
    add(entry);
    if (entry.event === 'stored' || entry.event === 'command-stored') {
      if (known.has(nameOf(entry))) continue;
      const line = open === undefined ? undefined : lineOf(open, entry);
      if (line === undefined) unmeant.push(nameOf(entry));
      else add(line);
    }
    if (entry.event !== 'listed' || open === undefined) continue;
    neverQueued.add(open.text);
    open = undefined;
  }
  return { entries: all, neverQueued, unmeant };
}

/** The line that was kept out; undefined where what the queue holds is something else. */
function lineOf(open: Of<'meant' | 'command-meant'>, stored: Of<'stored' | 'command-stored'>): SenderEntry | undefined {
  const { text } = open;
  if (stored.event === 'command-stored')
    return open.event === 'command-meant' ? { event: 'command-queued', text, sendId: stored.sendId } : undefined;
  return open.event === 'meant' && open.to === stored.to ? { event: 'queued', text, nonce: stored.nonce } : undefined;
}

function nameOf(entry: Of<'queued' | 'command-queued' | 'stored' | 'command-stored'>, to?: string): string {
  if ('sendId' in entry) return `command ${entry.sendId}`;
  return `message ${entry.nonce} to ${'to' in entry ? entry.to : to}`;
}

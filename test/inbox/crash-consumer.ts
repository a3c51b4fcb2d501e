import type { Inbox, InboxEvent } from '../../src/inbox/index.ts';
import type { Ledger, RecipientEntry } from '../soak/ledger.ts';

/** The text of the message after which nothing comes. */
export const lastText = 'last';

export interface Consuming {
  /** Resolves when the last message is final and has been taken. */
  readonly over: Promise<void>;
  /** Resolves when it is done with all that it was handed so far. */
  readonly isDone: () => Promise<void>;
}

/**
 * Writes down what it is handed, as a database of its own would, and acknowledges each message before it looks at what is next.
 * `mayDie` is called before and after each of its steps.
 */
export function consume(inbox: Inbox, ledger: Ledger<RecipientEntry>, mayDie: () => void = () => undefined): Consuming {
  const add = (entry: RecipientEntry): void => {
    mayDie();
    ledger.add(entry);
    mayDie();
  };
  const take = async (event: InboxEvent): Promise<void> => {
    if (event.type !== 'message') {
      if (event.type !== 'gap' && event.type !== 'dead') add({ event: event.type, id: event.messageId });
      return;
    }
    const { delivery } = event;
    const { messageId: id, from, fromKind, nonce, body, block, finalized: isFinal } = delivery;
    const text = body.kind === 'data' ? new TextDecoder().decode(body.content) : body.kind;
    add({ event: 'delivered', id, from, fromKind, nonce: String(nonce), text, isFinal, block });
    await delivery.ack();
    mayDie();
    ledger.add({ event: 'acknowledged', id });
  };
  ledger.add({ event: 'started' });
  let turn = Promise.resolve();
  const over = new Promise<void>((resolve, reject) => {
    inbox.events$.subscribe({
      next: (event) => {
        turn = turn
          .then(() => take(event))
          .then(() => {
            if (isOver(ledger.entries())) resolve();
          });
        turn.catch(reject);
      },
      error: reject,
    });
    if (isOver(ledger.entries())) resolve();
  });
  return { over, isDone: () => turn };
}

/** Also where it died after an acknowledgement was durable and before it heard of that: then nothing comes again. */
function isOver(entries: readonly RecipientEntry[]): boolean {
  const last = entries.findLast((entry) => entry.event === 'delivered' && entry.text === lastText);
  if (last?.event !== 'delivered') return false;
  return last.isFinal || entries.some((entry) => entry.event === 'finalized' && entry.id === last.id);
}

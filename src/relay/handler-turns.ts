import type { Hex } from '../codec/index.ts';
import { RelayError } from '../errors/index.ts';
import type { Delivery } from '../inbox/inbox.ts';

export interface HandlerTurnsOptions {
  /** Handlers that run at once; a quarter of them for one sender, three quarters for all that are not registered. Default 16. */
  readonly concurrency?: number;
  /** Messages that wait, or run; a quarter of them of one sender, half of all that are not registered. Default 1 024. */
  readonly limit?: number;
  /** Bytes of these, shared alike. Default 16 MiB. */
  readonly limitBytes?: number;
}

/** A message whose handler is to run. */
export type HandledMessage = Pick<Delivery, 'messageId' | 'from' | 'registered' | 'body'>;

interface Held {
  running: number;
  /** With what waits. */
  held: number;
  bytes: number;
}

interface Sender extends Held {
  readonly waiting: (() => void)[];
}

// What an inbox hands out before it is acknowledged.
const defaults = { concurrency: 16, limit: 1_024, limitBytes: 16 * 2 ** 20 };
const senderPart = 1 / 4;
const strangerTurns = 3 / 4;
const strangerPart = 1 / 2;

/**
 * Turns of handlers, which may take long: senders have theirs one after the other, and keys of senders cost nothing, so that those
 * that are not registered leave some to those that are. What is begun in the order of a sender's messages is started in it.
 */
export class HandlerTurns {
  readonly #options: typeof defaults;
  readonly #senders = new Map<Hex, Sender>();
  /** Senders whose messages wait, in the order of their turns. */
  readonly #ready = new Map<Hex, { readonly sender: Sender; readonly isKnown: boolean }>();
  readonly #strangers: Held = { running: 0, held: 0, bytes: 0 };
  #running = 0;

  constructor(options: HandlerTurnsOptions = {}) {
    this.#options = { ...defaults, ...options };
  }

  /** Runs `work` at its sender's turn, and gives what it gives. Throws handler-failed where too much of its sender, or of strangers, waits. */
  async run<T>(message: HandledMessage, work: () => Promise<T>): Promise<T> {
    const { messageId, from: id, registered: isKnown, body } = message;
    const bytes = body.kind === 'invocation' ? body.input.length : body.content.length;
    const sender = this.#senders.get(id) ?? { running: 0, held: 0, bytes: 0, waiting: [] };
    if (!this.#hasRoom(sender, bytes, isKnown))
      throw new RelayError('handler-failed', {
        details: { messageId, reason: 'too many messages of its sender wait' },
      });
    this.#senders.set(id, sender);
    const all = isKnown ? [sender] : [sender, this.#strangers];
    hold(all, 1, bytes);
    await new Promise<void>((start) => {
      sender.waiting.push(start);
      if (!this.#ready.has(id)) this.#ready.set(id, { sender, isKnown });
      this.#fill();
    });
    try {
      return await work();
    } finally {
      hold(all, -1, -bytes);
      if (sender.held === 0) this.#senders.delete(id);
      this.#count(sender, isKnown, -1);
      this.#fill();
    }
  }

  #hasRoom(sender: Sender, bytes: number, isKnown: boolean): boolean {
    const { limit, limitBytes } = this.#options;
    const part = (of: Held, share: number): boolean => fits(of, bytes, limit * share, limitBytes * share);
    return part(sender, senderPart) && (isKnown || part(this.#strangers, strangerPart));
  }

  #count(sender: Sender, isKnown: boolean, more: 1 | -1): void {
    this.#running += more;
    sender.running += more;
    if (!isKnown) this.#strangers.running += more;
  }

  #fill(): void {
    const { concurrency } = this.#options;
    const perSender = Math.ceil(concurrency * senderPart);
    for (const [id, ready] of this.#ready) {
      if (this.#running >= concurrency) return;
      const { sender, isKnown } = ready;
      const mayRun = isKnown || this.#strangers.running < Math.ceil(concurrency * strangerTurns);
      if (!mayRun || sender.running >= perSender) continue;
      // To the end: senders take turns.
      this.#ready.delete(id);
      const start = sender.waiting.shift();
      if (sender.waiting.length > 0) this.#ready.set(id, ready);
      if (start === undefined) continue;
      this.#count(sender, isKnown, 1);
      start();
    }
  }
}

function hold(all: readonly Held[], more: number, bytes: number): void {
  for (const held of all) {
    held.held += more;
    held.bytes += bytes;
  }
}

/** One always does. */
function fits({ held, bytes }: Held, more: number, most: number, mostBytes: number): boolean {
  return held === 0 || (held < most && bytes + more <= mostBytes);
}

import type { Hex } from '../codec/index.ts';
import type { Delivery } from '../inbox/inbox.ts';

export interface HandlerTurnsOptions {
  /** Handlers that run at once; a quarter of them for one sender, three quarters for all that are not registered. Default 16. */
  readonly concurrency?: number;
}

/** A message whose handler is to run. */
export type HandledMessage = Pick<Delivery, 'from' | 'registered'>;

interface Waiting {
  /** Of the message, not of its sender: who registers meanwhile has messages of both kinds. */
  readonly isKnown: boolean;
  readonly start: () => void;
}

interface Sender {
  running: number;
  readonly waiting: Waiting[];
}

const defaultConcurrency = 16;
const senderPart = 1 / 4;
const strangerPart = 3 / 4;

/**
 * Turns of handlers, which may take long: senders have theirs one after the other, and keys of senders cost nothing, so that those
 * that are not registered leave some to those that are. What is begun in the order of a sender's messages is started in it. As many
 * wait as the inbox hands out before they are acknowledged; the others wait in its store.
 */
export class HandlerTurns {
  readonly #concurrency: number;
  readonly #senders = new Map<Hex, Sender>();
  /** Senders whose messages wait, in the order of their turns. */
  readonly #ready = new Map<Hex, Sender>();
  #running = 0;
  #strangers = 0;

  constructor({ concurrency = defaultConcurrency }: HandlerTurnsOptions = {}) {
    this.#concurrency = concurrency;
  }

  /** Runs `work` at its sender's turn, and gives what it gives. */
  async run<T>({ from: id, registered: isKnown }: HandledMessage, work: () => Promise<T>): Promise<T> {
    const sender = this.#senders.get(id) ?? { running: 0, waiting: [] };
    this.#senders.set(id, sender);
    await new Promise<void>((start) => {
      sender.waiting.push({ isKnown, start });
      this.#ready.set(id, sender);
      this.#fill();
    });
    try {
      return await work();
    } finally {
      this.#count(sender, isKnown, -1);
      if (sender.running === 0 && sender.waiting.length === 0) this.#senders.delete(id);
      this.#fill();
    }
  }

  #count(sender: Sender, isKnown: boolean, more: 1 | -1): void {
    this.#running += more;
    sender.running += more;
    if (!isKnown) this.#strangers += more;
  }

  #fill(): void {
    const mostOfSender = Math.ceil(this.#concurrency * senderPart);
    const mostStrangers = Math.ceil(this.#concurrency * strangerPart);
    for (const [id, sender] of this.#ready) {
      if (this.#running >= this.#concurrency) return;
      const [first] = sender.waiting;
      if (first === undefined) {
        this.#ready.delete(id);
        continue;
      }
      const { isKnown, start } = first;
      if (sender.running >= mostOfSender || (!isKnown && this.#strangers >= mostStrangers)) continue;
      sender.waiting.shift();
      // To the end: senders take turns.
      this.#ready.delete(id);
      if (sender.waiting.length > 0) this.#ready.set(id, sender);
      this.#count(sender, isKnown, 1);
      start();
    }
  }
}

import type { Hex } from '../codec/index.ts';
import { RelayError } from '../errors/index.ts';
import type { Mail, MailStore } from '../store/mail-store.ts';
import type { FrameSink } from './frame-sink.ts';
import type { WaitPlaces } from './wait-places.ts';

export interface AwaitedRepliesParts {
  readonly mailStore: Pick<MailStore, 'read' | 'subscribe'>;
  /** Most boxes that the connection may wait at. */
  readonly limit: number;
  /** Of all connections. */
  readonly places: WaitPlaces;
  /** Key of the peer's address. */
  readonly key: string;
  readonly sink: FrameSink;
}

interface Waiting {
  readonly id: number;
  readonly after: bigint;
  /** Gives its place back. */
  readonly leave: () => void;
  readonly unsubscribe: () => void;
}

/** What one connection waits for in the reply boxes of its entity: each is one question and one answer, in any order. */
export class AwaitedReplies {
  readonly #parts: AwaitedRepliesParts;
  readonly #waiting = new Map<Hex, Waiting>();
  /** Boxes that are looked into, and whether to look once more. They may outlive the wait. */
  readonly #looking = new Map<Hex, boolean>();

  constructor(parts: AwaitedRepliesParts) {
    this.#parts = parts;
  }

  get size(): number {
    return this.#waiting.size;
  }

  /** Answers `id` with the first reply after a cursor, now or when it comes. A newer question for a box replaces the older. */
  await(id: number, box: Hex, after: bigint): void {
    const { mailStore, limit, places, key } = this.#parts;
    this.end(box);
    if (Math.max(this.#waiting.size, this.#looking.size) >= limit)
      throw new RelayError('relay-busy', { details: { what: 'awaited replies' } });
    const leave = places.take(key, (error) => {
      this.end(box);
      this.#parts.sink.refuse(id, error);
    });
    const look = (): void => void this.#look(box);
    this.#waiting.set(box, { id, after, leave, unsubscribe: mailStore.subscribe(box, look) });
    look();
  }

  /** Nothing more is waited for. */
  end(box: Hex): void {
    const waiting = this.#waiting.get(box);
    if (waiting === undefined) return;
    waiting.unsubscribe();
    this.#waiting.delete(box);
    waiting.leave();
  }

  stop(): void {
    for (const box of [...this.#waiting.keys()]) this.end(box);
  }

  // One read of a box at a time, however often it is asked for.
  async #look(box: Hex): Promise<void> {
    if (this.#looking.has(box)) {
      this.#looking.set(box, true);
      return;
    }
    do {
      this.#looking.set(box, false);
      await this.#lookOnce(box);
    } while (this.#looking.get(box) === true);
    this.#looking.delete(box);
  }

  async #lookOnce(box: Hex): Promise<void> {
    const waiting = this.#waiting.get(box);
    if (waiting === undefined) return;
    try {
      const [reply] = await this.#parts.mailStore.read(box, waiting.after, { count: 1 });
      if (reply !== undefined) this.#answer(box, waiting, reply);
    } catch (error) {
      if (this.#waiting.get(box) !== waiting) return;
      this.end(box);
      this.#parts.sink.refuse(waiting.id, error);
    }
  }

  #answer(box: Hex, waiting: Waiting, { cursor, bytes }: Mail): void {
    if (this.#waiting.get(box) !== waiting) return;
    this.end(box);
    this.#parts.sink.send({ type: 'reply', id: waiting.id, cursor, signedEnvelope: bytes });
  }
}

import type { Hex } from '../codec/index.ts';
import { RelayError } from '../errors/index.ts';
import type { Mail, MailStore } from '../store/mail-store.ts';
import type { RelayFrame } from './frames.ts';
import { replyBox } from './reply-box.ts';

export interface AwaitedRepliesParts {
  readonly mailStore: Pick<MailStore, 'read' | 'ack' | 'subscribe'>;
  /** Most boxes that the connection may wait at. */
  readonly limit: number;
  readonly send: (frame: RelayFrame) => void;
  readonly refuse: (id: number, error: unknown) => void;
}

interface Waiting {
  readonly id: number;
  readonly after: bigint;
  readonly leave: () => void;
}

/** What one connection waits for in the reply boxes of its entity: each is one question and one answer, in any order. */
export class AwaitedReplies {
  readonly #parts: AwaitedRepliesParts;
  readonly #waiting = new Map<Hex, Waiting>();

  constructor(parts: AwaitedRepliesParts) {
    this.#parts = parts;
  }

  get size(): number {
    return this.#waiting.size;
  }

  /** Answers `id` with the first reply after a cursor, now or when it comes. A newer question for a box replaces the older. */
  await(id: number, identity: Hex, senderKey: Uint8Array, after: bigint): void {
    const { mailStore, limit } = this.#parts;
    const box = replyBox(identity, senderKey);
    this.#end(box);
    if (this.#waiting.size >= limit) throw new RelayError('relay-busy', { details: { what: 'awaited replies' } });
    const leave = mailStore.subscribe(box, () => {
      void this.#look(box, id);
    });
    this.#waiting.set(box, { id, after, leave });
    void this.#look(box, id);
  }

  /** Nothing up to the cursor is needed any more, and nothing waited for. */
  async done(identity: Hex, senderKey: Uint8Array, upTo: bigint): Promise<void> {
    const box = replyBox(identity, senderKey);
    this.#end(box);
    if (upTo > 0n) await this.#parts.mailStore.ack(box, upTo);
  }

  stop(): void {
    for (const box of [...this.#waiting.keys()]) this.#end(box);
  }

  async #look(box: Hex, id: number): Promise<void> {
    const waiting = this.#waiting.get(box);
    if (waiting?.id !== id) return;
    try {
      const [reply] = await this.#parts.mailStore.read(box, waiting.after, { count: 1 });
      if (reply !== undefined) this.#answer(box, waiting, reply);
    } catch (error) {
      if (this.#waiting.get(box) !== waiting) return;
      this.#end(box);
      this.#parts.refuse(id, error);
    }
  }

  // A box may be looked into several times at once; the first that finds something answers.
  #answer(box: Hex, waiting: Waiting, { cursor, bytes }: Mail): void {
    if (this.#waiting.get(box) !== waiting) return;
    this.#end(box);
    this.#parts.send({ type: 'reply', id: waiting.id, cursor, signedEnvelope: bytes });
  }

  #end(box: Hex): void {
    this.#waiting.get(box)?.leave();
    this.#waiting.delete(box);
  }
}

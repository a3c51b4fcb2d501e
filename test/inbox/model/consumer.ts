import type { Hex } from '../../../src/codec/index.ts';
import { isRelayError } from '../../../src/errors/index.ts';
import type { Delivery, Inbox, InboxEvent, InboxOptions } from '../../../src/inbox/index.ts';
import type { RecipientEntry } from '../../soak/ledger.ts';
import type { Life } from '../../support/simulation/life.ts';

/**
 * Acknowledges what it was handed, or has the inbox do so when its handler returns; or acknowledges, and is handed so few at a
 * time that others wait.
 */
export type ConsumerKind = 'acknowledges' | 'handles' | 'is handed few at a time';

/** One sender alone has two of these. */
const few = { count: 4, bytes: 2 ** 20 };

const concurrency = 3;

/** Who is handed what an inbox has, and writes it down as its own database would. */
export class Consumer {
  /** Of all that it was handed and told. */
  readonly ledger: RecipientEntry[] = [];
  readonly #kind: ConsumerKind;
  readonly #heldBack: (() => Promise<void>)[] = [];
  #isHolding = false;
  /** Of the next deliveries: with these it is not done before it is started again. */
  #fails = 0;
  #hasLeft = false;

  constructor(kind: ConsumerKind) {
    this.#kind = kind;
  }

  get options(): Pick<InboxOptions, 'inFlight'> {
    return this.#kind === 'is handed few at a time' ? { inFlight: few } : {};
  }

  /** It left something undone, which is handed to the next one. */
  get hasLeft(): boolean {
    return this.#hasLeft;
  }

  /** For as long as the inbox gives something; `end` is told what ended that. */
  consume(inbox: Inbox, life: Life, end: (error: unknown) => void): void {
    this.#heldBack.length = 0;
    this.ledger.push({ event: 'started' });
    if (this.#kind === 'handles') void this.#handle(inbox, life).catch(end);
    else
      inbox.events$.subscribe({
        next: (event) => {
          if (!life.isOver) this.#take(event, life);
        },
        error: end,
      });
  }

  /** It is done with what it was handed at once, or holds back until it is told to go on. */
  hold(isHolding: boolean): void {
    this.#isHolding = isHolding;
    if (!isHolding) this.goOn();
  }

  /** With what it holds back it is done, or with so many of these. */
  goOn(count = Infinity): void {
    for (const acknowledge of this.#heldBack.splice(0, count)) void acknowledge();
  }

  fail(count: number): void {
    this.#fails = count;
  }

  /** It has all, and is started once more. */
  rest(): void {
    this.ledger.push({ event: 'at-rest' });
  }

  /** Again where its handler has thrown. */
  async #handle(inbox: Inbox, life: Life): Promise<void> {
    const handler = async (delivery: Delivery): Promise<void> => {
      if (life.isOver) return;
      const id = this.#note(delivery);
      if (this.#isFailing()) throw new Error('the consumer can not');
      if (this.#isHolding) await new Promise<void>((resolve) => this.#heldBack.push(async () => resolve()));
      this.#handled(id, life);
    };
    const onEvent = (event: InboxEvent): void => {
      if (!life.isOver) this.#take(event, life);
    };
    while (!life.isOver)
      try {
        await inbox.handle(handler, { concurrency, onEvent });
        return;
      } catch (error) {
        if (!isRelayError(error, 'handler-failed')) throw error;
        this.ledger.push({ event: 'started' });
      }
  }

  #handled(id: Hex, life: Life): void {
    if (!life.isOver) this.ledger.push({ event: 'handled', id });
  }

  #take(event: InboxEvent, life: Life): void {
    switch (event.type) {
      case 'message':
        this.#takeMessage(event.delivery, life);
        return;
      case 'retracted':
      case 'reinstated':
      case 'finalized':
        this.ledger.push({ event: event.type, id: event.messageId });
        return;
      case 'gap':
        this.ledger.push({ event: 'gap', first: event.first, last: event.last });
        return;
      case 'dead':
        this.ledger.push({ event: 'dead', id: event.messageId, code: event.code });
    }
  }

  #takeMessage(delivery: Delivery, life: Life): void {
    const id = this.#note(delivery);
    if (this.#isFailing()) {
      this.#hasLeft = true;
      delivery.leave();
      return;
    }
    const acknowledge = async (): Promise<void> => {
      await delivery.ack().catch(() => delivery.ack());
      if (!life.isOver) this.ledger.push({ event: 'acknowledged', id });
    };
    if (this.#isHolding) this.#heldBack.push(acknowledge);
    else void acknowledge();
  }

  #isFailing(): boolean {
    if (this.#fails === 0) return false;
    this.#fails -= 1;
    return true;
  }

  #note({ messageId: id, from, fromKind, nonce, body, block, finalized: isFinal }: Delivery): Hex {
    const text = body.kind === 'data' ? new TextDecoder().decode(body.content) : body.kind;
    this.ledger.push({ event: 'delivered', id, from, fromKind, nonce: String(nonce), text, isFinal, block });
    return id;
  }
}

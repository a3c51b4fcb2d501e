import type { Subscription } from 'rxjs';
import { asRelayError } from '../../src/errors/index.ts';
import {
  openInboxFiles,
  type Delivery,
  type Inbox,
  type InboxEvent,
  type ListedLetter,
} from '../../src/inbox/index.ts';
import type { TransactionalStore } from '../../src/store/index.ts';

/** Subscribes to an inbox, remembers what came and lets a test wait for it. */
export class InboxProbe {
  readonly events: InboxEvent[] = [];
  readonly #subscription: Subscription;
  readonly #acknowledges: boolean;
  #error: Error | undefined;
  #wake: () => void = () => undefined;

  constructor(inbox: Inbox, { acknowledges = true } = {}) {
    this.#acknowledges = acknowledges;
    this.#subscription = inbox.events$.subscribe({
      next: (event) => {
        this.events.push(event);
        if (this.#acknowledges && event.type === 'message') void event.delivery.ack();
        this.#wake();
      },
      error: (error: unknown) => {
        this.#error = asRelayError(error, 'open-failed');
        this.#wake();
      },
    });
  }

  get deliveries(): Delivery[] {
    return this.events.flatMap((event) => (event.type === 'message' ? [event.delivery] : []));
  }

  /** Texts of the data messages, in order. */
  get texts(): string[] {
    return this.deliveries.map(({ body }) =>
      body.kind === 'data' ? new TextDecoder().decode(body.content) : body.kind,
    );
  }

  /** Waits until `holds`; the test's own timeout ends the wait. */
  async until(holds: () => boolean): Promise<void> {
    while (!holds()) {
      if (this.#error !== undefined) throw this.#error;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  stop(): void {
    this.#subscription.unsubscribe();
  }
}

/** Oldest first. */
export async function deadLettersOf(store: TransactionalStore): Promise<ListedLetter[]> {
  const letters: ListedLetter[] = [];
  for await (const letter of (await openInboxFiles(store)).deadLetters()) letters.push(letter);
  return letters;
}

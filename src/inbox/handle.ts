import { Subscription, type Observable } from 'rxjs';
import { asRelayError, RelayError } from '../errors/index.ts';
import type { Delivery, HandleOptions, InboxEvent } from './inbox.ts';

/**
 * Gives deliveries to a handler, those of one sender one after another, and acknowledges what it is done with. Events are told in
 * their place among them.
 */
export function handleAll(
  events$: Observable<InboxEvent>,
  handler: (delivery: Delivery) => Promise<void> | void,
  { concurrency = 1, onEvent = () => undefined, signal }: HandleOptions,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const waiting: InboxEvent[] = [];
    const busy = new Set<string>();
    // Before it is used: a stream that is over, or taken, ends at once.
    const subscription = new Subscription();
    let isOver = false;
    const end = (settle: () => void): void => {
      if (isOver) return;
      isOver = true;
      subscription.unsubscribe();
      signal?.removeEventListener('abort', onAbort);
      settle();
    };
    const onAbort = (): void => {
      end(resolve);
    };
    const handle = async (delivery: Delivery): Promise<void> => {
      const sender = senderOf(delivery);
      try {
        await handler(delivery);
      } catch (cause) {
        const { messageId } = delivery;
        end(() => {
          reject(new RelayError('handler-failed', { details: { messageId }, cause }));
        });
        return;
      }
      // The next one does not wait for the disk: what a crash forgets comes again, in order.
      delivery.ack().catch((error: unknown) => {
        end(() => {
          reject(asRelayError(error, 'inbox-stopped'));
        });
      });
      busy.delete(sender);
      work();
    };
    const tell = (event: Exclude<InboxEvent, { type: 'message' }>): void => {
      try {
        onEvent(event);
      } catch (cause) {
        end(() => {
          reject(asRelayError(cause, 'inbox-stopped'));
        });
      }
    };
    /** The oldest that may be handled now. An event has its place: behind all before it, and before all behind it. */
    const takeNext = (): InboxEvent | undefined => {
      for (const [at, event] of waiting.entries()) {
        if (event.type !== 'message') return at === 0 && busy.size === 0 ? waiting.shift() : undefined;
        if (!busy.has(senderOf(event.delivery))) return waiting.splice(at, 1)[0];
      }
      return undefined;
    };
    const work = (): void => {
      while (!isOver && busy.size < concurrency) {
        const event = takeNext();
        if (event === undefined) return;
        if (event.type === 'message') {
          busy.add(senderOf(event.delivery));
          void handle(event.delivery);
        } else tell(event);
      }
    };
    const events = events$.subscribe({
      next: (event) => {
        waiting.push(event);
        work();
      },
      error: (error: unknown) => {
        end(() => {
          reject(asRelayError(error, 'inbox-stopped'));
        });
      },
      complete: () => {
        end(resolve);
      },
    });
    subscription.add(events);
    signal?.addEventListener('abort', onAbort, { once: true });
    if (signal?.aborted === true) onAbort();
  });
}

function senderOf({ fromKind, from }: Delivery): string {
  return `${fromKind} ${from}`;
}

import { Subscription, type Observable } from 'rxjs';
import { asRelayError, RelayError } from '../errors/index.ts';
import type { Delivery, HandleOptions, InboxEvent } from './inbox.ts';

/** Gives deliveries to a handler, those of one sender one after another, and acknowledges what it is done with. */
export function handleAll(
  events$: Observable<InboxEvent>,
  handler: (delivery: Delivery) => Promise<void> | void,
  { concurrency = 1, onEvent = () => undefined, signal }: HandleOptions,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const waiting: Delivery[] = [];
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
    const work = (): void => {
      while (!isOver && busy.size < concurrency) {
        const at = waiting.findIndex((delivery) => !busy.has(senderOf(delivery)));
        const [delivery] = at < 0 ? [] : waiting.splice(at, 1);
        if (delivery === undefined) return;
        busy.add(senderOf(delivery));
        void handle(delivery);
      }
    };
    const events = events$.subscribe({
      next: (event) => {
        if (event.type !== 'message') {
          onEvent(event);
          return;
        }
        waiting.push(event.delivery);
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

import { Subscription, type Observable } from 'rxjs';
import type { Hex } from '../codec/index.ts';
import { asRelayError, checkValue, RelayError } from '../errors/index.ts';
import type { Delivery, HandleOptions, InboxEvent } from './inbox.ts';

type Notice = Exclude<InboxEvent, { type: 'message' }>;

/**
 * Gives deliveries to a handler, those of one sender one after another, and acknowledges what it is done with. What is told of a
 * message comes when it is handled, before the next one of its sender; everything else at once. It settles when no handler runs
 * any more, and what they are done with is acknowledged: until then nobody else is given their messages.
 */
export function handleAll(
  events$: Observable<InboxEvent>,
  handler: (delivery: Delivery) => Promise<void> | void,
  { concurrency = 1, onEvent = () => undefined, signal }: HandleOptions,
): Promise<void> {
  return new Promise((resolve, reject) => {
    checkValue('concurrency', Number.isSafeInteger(concurrency) && concurrency >= 1, '1 or more');
    const waiting: Delivery[] = [];
    /** In work, by sender. */
    const busy = new Map<string, Delivery>();
    /** What is told once a message is handled. */
    const behind = new Map<Delivery, Notice[]>();
    // Before it is used: a stream that is over, or taken, ends at once.
    const subscription = new Subscription();
    /** Handlers, up to their acknowledgements. */
    let running = 0;
    let isEnding = false;
    let failure: RelayError | undefined;
    const end = (error?: RelayError): void => {
      failure ??= error;
      if (isEnding) return;
      isEnding = true;
      signal?.removeEventListener('abort', onAbort);
      settleOnceIdle();
    };
    const settleOnceIdle = (): void => {
      if (!isEnding || running > 0) return;
      subscription.unsubscribe();
      if (failure === undefined) resolve();
      else reject(failure);
    };
    const onAbort = (): void => {
      end();
    };
    const tell = (event: Notice): void => {
      try {
        onEvent(event);
      } catch (cause) {
        end(asRelayError(cause, 'inbox-stopped'));
      }
    };
    const run = async (delivery: Delivery): Promise<void> => {
      running += 1;
      await handle(delivery);
      running -= 1;
      settleOnceIdle();
    };
    const handle = async (delivery: Delivery): Promise<void> => {
      try {
        await handler(delivery);
      } catch (cause) {
        end(new RelayError('handler-failed', { details: { messageId: delivery.messageId }, cause }));
        return;
      }
      // The next one does not wait for the disk: what a crash forgets comes again, in order.
      const acknowledged = delivery.ack().catch((error: unknown) => {
        end(asRelayError(error, 'inbox-stopped'));
      });
      behind.get(delivery)?.forEach(tell);
      behind.delete(delivery);
      busy.delete(senderOf(delivery));
      work();
      await acknowledged;
    };
    const work = (): void => {
      while (!isEnding && busy.size < concurrency) {
        const next = waiting.findIndex((delivery) => !busy.has(senderOf(delivery)));
        const [delivery] = next < 0 ? [] : waiting.splice(next, 1);
        if (delivery === undefined) return;
        busy.set(senderOf(delivery), delivery);
        void run(delivery);
      }
    };
    /** The newest with that id that is not handled yet. */
    const unhandled = (messageId: Hex): Delivery | undefined => {
      const isIt = (delivery: Delivery): boolean => delivery.messageId === messageId;
      return waiting.findLast(isIt) ?? [...busy.values()].find(isIt);
    };
    const take = (event: InboxEvent): void => {
      if (event.type === 'message') {
        waiting.push(event.delivery);
        work();
        return;
      }
      const about = isOfDelivery(event) ? unhandled(event.messageId) : undefined;
      if (about === undefined) tell(event);
      else behind.set(about, [...(behind.get(about) ?? []), event]);
    };
    const events = events$.subscribe({
      next: take,
      error: (error: unknown) => {
        end(asRelayError(error, 'inbox-stopped'));
      },
      complete: () => {
        end();
      },
    });
    subscription.add(events);
    signal?.addEventListener('abort', onAbort, { once: true });
    if (signal?.aborted === true) onAbort();
  });
}

/** Of a message that was handed out; a dead letter never was. */
function isOfDelivery(event: Notice): event is Exclude<Notice, { type: 'gap' | 'dead' }> {
  return event.type !== 'gap' && event.type !== 'dead';
}

function senderOf({ fromKind, from }: Delivery): string {
  return `${fromKind} ${from}`;
}

/**
 * Prints what an inbox, or a Phala listener, delivers until it is interrupted. Tells its parent when its reader stands still, when
 * it is interrupted, and in the end what was acknowledged by then.
 */
import { Observable } from 'rxjs';
import { onInterruption } from '../../src/cli/interruption.ts';
import { createOutput } from '../../src/cli/output.ts';
import { printInbox } from '../../src/cli/print-inbox.ts';
import { printPhala } from '../../src/cli/print-phala.ts';
import { topicFromText } from '../../src/codec/index.ts';
import type { Delivery, Inbox, InboxEvent, PhalaDelivery, PhalaEvent } from '../../src/inbox/index.ts';

const count = 100;
/** Few of them fit into what lies between two processes. */
const filling = 'm'.repeat(50_000);

const [mode] = process.argv.slice(2);
const acknowledged: number[] = [];
const tell = (word: unknown): void => {
  process.send?.(word);
};

const ids = { messageId: '0x01', from: '0x02', to: '0x03' } as const;
const factsOf = (n: number) => ({
  ...{
    ...ids,
    fromKind: 'account',
    nonce: 0n,
    via: 'chain',
    registered: false,
    finalized: true,
    proven: true,
    block: 1,
  },
  content: new TextEncoder().encode(`${n} ${filling}`),
  ack: async () => {
    // As a store that has work to do.
    await new Promise(setImmediate);
    acknowledged.push(n);
  },
});
const deliveryOf = (n: number): Delivery => {
  const { content, ...facts } = factsOf(n);
  return { ...facts, suite: 'v1', body: { kind: 'data', content } } as unknown as Delivery;
};
const commandOf = (n: number): PhalaDelivery => {
  const facts = { ...factsOf(n), suite: 'phala', topic: topicFromText('a/topic'), encrypted: true } as const;
  return facts;
};

/** All at once, as they come of a store, and then nothing. */
function all<Event>(eventOf: (n: number) => Event): Observable<Event> {
  return new Observable((subscriber) => {
    for (let n = 0; n < count; n++) subscriber.next(eventOf(n));
  });
}

using interruption = onInterruption();
const { interrupted } = interruption;
void interrupted.then(() => {
  tell('interrupted');
});
const until = interrupted;
const output = createOutput(true);
const warn = (): void => undefined;
const printing =
  mode === 'phala'
    ? printPhala({ events$: all((n): PhalaEvent => ({ type: 'message', delivery: commandOf(n) })) }, output, {
        until,
        warn,
      })
    : printInbox({ events$: all((n): InboxEvent => ({ type: 'message', delivery: deliveryOf(n) })) } as Inbox, output, {
        until,
        warn,
      });
const look = (): void => {
  if (process.stdout.writableNeedDrain) tell('stands');
  else setImmediate(look);
};
look();
await printing;
tell({ acknowledged: [...acknowledged] });
process.disconnect();

import { toHex } from '../codec/index.ts';
import type { PhalaDelivery, PhalaEvent, PhalaListener } from '../inbox/index.ts';
import { short, type JsonEvent, type Output } from './output.ts';
import { printEach } from './print-each.ts';
import { bodyText, contentJson } from './print-inbox.ts';
import { topicText } from './topic-text.ts';
import type { Warn } from './warn.ts';

export interface PrintPhalaOptions {
  /** Ends after so many messages. */
  readonly count?: number;
  readonly until: Promise<void>;
  readonly warn: Warn;
}

/** As `printInbox`, of what a listener delivers. */
export async function printPhala(
  { events$ }: Pick<PhalaListener, 'events$'>,
  output: Output,
  { count = Number.POSITIVE_INFINITY, until, warn }: PrintPhalaOptions,
): Promise<void> {
  let left = count;
  await printEach(events$, { until, atOnce: 1 }, async (event) => {
    await print(event, output, warn);
    if (event.type === 'message') left--;
    return left > 0;
  });
}

async function print(event: PhalaEvent, output: Output, warn: Warn): Promise<void> {
  switch (event.type) {
    case 'message':
      // What was not taken comes again at the next start.
      if (await output.handOver(deliveryJson(event.delivery), deliveryText(event.delivery))) await event.delivery.ack();
      return;
    case 'gap':
      output.print(
        { event: 'gap', first: event.first, last: event.last },
        `blocks ${event.first} to ${event.last} are missing: their messages are not known`,
      );
      return;
    case 'dead':
      warn(`message ${event.messageId} on ${topicText(event.topic)} can not be read [${event.code}]`);
  }
}

function deliveryJson(delivery: PhalaDelivery): JsonEvent {
  const { messageId, from: sender, fromKind, topic, suite, encrypted, senderKey, block, proven, content } = delivery;
  return {
    ...{ event: 'message', messageId, from: sender, fromKind, topic: topicText(topic), suite, encrypted },
    ...(senderKey === undefined ? {} : { senderKey: toHex(senderKey) }),
    ...{ via: 'chain', block, proven },
    ...contentJson(content),
  };
}

function deliveryText({ from: sender, fromKind, topic, encrypted, block, content }: PhalaDelivery): string {
  const who = sender === undefined ? fromKind : `${short(sender)} (${fromKind})`;
  const how = encrypted ? 'suite phala' : 'PLAIN, for everybody to read';
  return `${who} on ${topicText(topic)}, block ${block}, ${how}: ${bodyText({ kind: 'data', content })}`;
}

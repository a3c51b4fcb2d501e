import { toHex, type Body } from '../codec/index.ts';
import { isErrorCode, isRelayError, RelayError } from '../errors/index.ts';
import type { Delivery, Inbox, InboxEvent } from '../inbox/index.ts';
import { short, type JsonEvent, type Output } from './output.ts';
import { printEach } from './print-each.ts';
import { visibleLines } from './visible.ts';
import type { Warn } from './warn.ts';

const shownBytes = 32;
const answersAtOnce = 16;
const utf8 = new TextDecoder('utf-8', { fatal: true });

export interface PrintInboxOptions {
  /** Ends after so many messages. */
  readonly count?: number;
  readonly until: Promise<void>;
  readonly warn: Warn;
  /** Between a message's being printed and its acknowledgement; one that ends with handler-failed leaves it unacknowledged. */
  readonly answer?: AnswerDelivery;
}

/** An answer that is under way; the message is acknowledged when it is over. */
export interface UnderWay {
  readonly over: Promise<void>;
}

export type AnswerDelivery = (delivery: Delivery) => Promise<UnderWay | undefined>;

/**
 * Prints what the inbox delivers, and acknowledges what the operating system took of it, until `count` messages were printed or `until`
 * resolves.
 */
export async function printInbox(
  inbox: Inbox,
  output: Output,
  { count, until, warn, answer = async () => undefined }: PrintInboxOptions,
): Promise<void> {
  let left = count ?? Number.POSITIVE_INFINITY;
  const underWay = new Set<Promise<void>>();
  const { promise: failure, fail } = failing();
  const finish = (over: Promise<void>): void => {
    const work = over
      .catch(unlessStopped)
      .catch(fail)
      .finally(() => underWay.delete(work));
    underWay.add(work);
  };
  // Printed in order; an answer on its way holds up nobody, unless messages are counted.
  const atOnce = count === undefined ? answersAtOnce : 1;
  const printing = printEach(inbox.events$, { until, atOnce }, async (event) => {
    const answered = await printEvent(event, output, { warn, answer }).catch(unlessStopped);
    if (answered !== undefined) finish(answered.over);
    if (count !== undefined) await Promise.all(underWay);
    if (event.type === 'message') left--;
    return left > 0;
  });
  await Promise.race([printing, failure]);
  await Promise.all(underWay);
}

/** Stopped: the message comes again at the next start, to be answered. */
function unlessStopped(error: unknown): undefined {
  if (!isRelayError(error, 'aborted')) throw error;
}

function failing(): { readonly promise: Promise<never>; readonly fail: (error: unknown) => void } {
  let fail: (error: unknown) => void = () => undefined;
  const promise = new Promise<never>((_, reject) => (fail = reject));
  promise.catch(() => undefined);
  return { promise, fail };
}

/** When its answer is over; one that failed leaves room for others, and comes again at the next start. */
async function acknowledge(delivery: Delivery, { over }: UnderWay, warn: Warn): Promise<void> {
  try {
    await over;
  } catch (error) {
    if (!isRelayError(error, 'handler-failed')) throw error;
    warn(error.message, error);
    delivery.leave();
    return;
  }
  await delivery.ack();
}

async function printEvent(
  event: InboxEvent,
  output: Output,
  { warn, answer }: Required<Pick<PrintInboxOptions, 'warn' | 'answer'>>,
): Promise<UnderWay | undefined> {
  switch (event.type) {
    case 'message': {
      const { delivery } = event;
      // What was not taken comes again at the next start.
      if (!(await output.handOver(deliveryJson(delivery), deliveryText(delivery)))) return undefined;
      const answered = await answer(delivery);
      if (answered !== undefined) return { over: acknowledge(delivery, answered, warn) };
      await delivery.ack();
      return undefined;
    }
    case 'dead':
      warn(`message ${event.messageId} can not be delivered`, reasonOf(event.code));
      return undefined;
    case 'gap': {
      const { first, last } = event;
      output.print(
        { event: 'gap', first, last },
        `blocks ${first} to ${last} are missing: their messages are not known`,
      );
      return undefined;
    }
    case 'finalized': {
      const { messageId, proven } = event;
      const text = `finalized${proven ? '' : ', unproven'}: message ${short(messageId)}`;
      output.print({ event: 'finalized', messageId, proven }, text);
      return undefined;
    }
    default: {
      const { type, messageId } = event;
      output.print({ event: type, messageId }, `${type}: message ${short(messageId)}`);
      return undefined;
    }
  }
}

function reasonOf(code: string): RelayError {
  return new RelayError(isErrorCode(code) ? code : 'open-failed');
}

function deliveryJson(delivery: Delivery): JsonEvent {
  const {
    messageId,
    from: sender,
    fromKind,
    to,
    nonce,
    suite,
    via,
    block,
    body,
    registered,
    finalized,
    proven,
  } = delivery;
  const where = block === undefined ? {} : { block };
  return {
    event: 'message',
    messageId,
    from: sender,
    fromKind,
    to,
    nonce,
    suite,
    via,
    ...where,
    ...bodyJson(body),
    registered,
    finalized,
    proven,
  };
}

function bodyJson(body: Body): JsonEvent {
  switch (body.kind) {
    case 'data':
      return contentJson(body.content);
    case 'invocation':
      return { invocation: { to: body.to, input: toHex(body.input) } };
    case 'reply':
      return { inReplyTo: body.inReplyTo, ...contentJson(body.content) };
  }
}

/** Text where it is text. */
export function contentJson(content: Uint8Array): { readonly text: string } | { readonly hex: string } {
  try {
    return { text: utf8.decode(content) };
  } catch {
    return { hex: toHex(content) };
  }
}

/** A line for a person; the sender's names the message as this one does. */
export function deliveryText(delivery: Delivery): string {
  const { messageId, from: sender, fromKind, body, registered } = delivery;
  const who = fromKind === 'worker' ? (registered ? 'worker' : 'unregistered') : 'account';
  return `${short(sender)} (${who}, ${wayText(delivery)}, message ${short(messageId)}): ${bodyText(body)}`;
}

function wayText({ via, block, finalized, proven }: Delivery): string {
  if (via === 'relay') return 'off chain';
  const where = `on chain, block ${block ?? '?'}`;
  if (!finalized) return `${where}, not final`;
  return proven ? where : `${where}, unproven`;
}

/** What a person sees of a body. */
export function bodyText(body: Body): string {
  if (body.kind === 'invocation') return `invocation of ${body.to} with ${binary(body.input)}`;
  const content = contentJson(body.content);
  const shown = 'text' in content ? printable(content.text) : binary(body.content);
  return body.kind === 'reply' ? `reply to ${short(body.inReplyTo)}: ${shown}` : shown;
}

function binary(content: Uint8Array): string {
  const isLong = content.length > shownBytes;
  return `${content.length} bytes, ${toHex(content.subarray(0, shownBytes))}${isLong ? '…' : ''}`;
}

// A message must not be able to drive the terminal that it is shown on, nor look like another one.
function printable(text: string): string {
  return visibleLines(text).replaceAll('\n', '\n  ');
}

import { isRelayError } from '../../errors/index.ts';
import {
  createOutbox,
  openOutboxQueue,
  type Arrival,
  type Outbox,
  type OutboxEntry,
  type OutboxQueue,
  type Receipt,
} from '../../outbox/index.ts';
import { short, type Output } from '../output.ts';
import { timeoutMs } from '../session.ts';
import { warn } from '../warn.ts';
import { Progress } from './progress.ts';
import { carrierOf, outboxOptionsOf, type QueueParts } from './sending.ts';
import { untilThere } from './until-there.ts';
import type { Asked, Word } from './awaited-words.ts';

/** The entity's queue, worked on for as long as a command lasts: what it can't send stays for the next one. */
export interface WorkingQueue extends AsyncDisposable {
  readonly outbox: Outbox;
  readonly progress: Progress;
  /** Prints when a message is there; `progress` waits for it. */
  follow(receipt: Receipt, until: 'inBlock' | 'finalized'): void;
  /** As {@link follow}, of those that earlier commands left and that `fits` takes. */
  followLeft(fits: (entry: OutboxEntry) => boolean): Promise<void>;
  /** As {@link untilThere}. */
  until(left: number): Promise<void>;
  /** Of what went: where this was asked, and was not told, whether it still may be or not. */
  untold(word: Word): Promise<readonly Asked[]>;
  /** Goes on with what earlier commands left, for as long as any of it gets on. */
  carryLeft(): Promise<void>;
}

/** Without a step of any, the rest is left to the next command, ms. */
const restPatienceMs = 1_000;

/** Starts on what is in the queue, and goes on until it is disposed. */
export async function workOnQueue(parts: QueueParts): Promise<WorkingQueue> {
  const { account, data, context } = parts;
  const { settings, output, signal } = context;
  const progress = new Progress(timeoutMs(settings));
  const rest = new Progress(restPatienceMs);
  const told = new Set<string>();
  const carrier = carrierOf(parts);
  const outbox = createOutbox({
    ...outboxOptionsOf(parts),
    carrier: { ...carrier, carry: (...message) => progress.trying(() => rest.trying(() => carrier.carry(...message))) },
    onSetback: (error) => {
      progress.setback(error);
      rest.setback(error);
      // Once: it is tried again each second.
      if (!told.has(error.code)) warn(`not yet: ${error.message} [${error.code}]`);
      told.add(error.code);
    },
  });
  const earlier = account === undefined ? [] : await queuedOf(openOutboxQueue(data.store));
  await outbox.start();
  const followed = new Set<bigint>();
  for (const sendId of earlier) void tellOnChain(outbox, sendId, followed, output);
  const follow: WorkingQueue['follow'] = (receipt, until) => {
    followed.add(receipt.sendId);
    progress.add(receipt, until, (arrival) => {
      printSent(output, arrival);
    });
  };
  async function* left(): AsyncGenerator<readonly [OutboxEntry, Receipt]> {
    for await (const entry of outbox.entries()) {
      const { state } = entry.status;
      const isOpen = state === 'queued' || state === 'submitted';
      const receipt = isOpen ? await outbox.receipt(entry.sendId) : undefined;
      if (receipt !== undefined) yield [entry, receipt];
    }
  }
  return {
    ...{ outbox, progress, follow },
    async followLeft(fits) {
      for await (const [entry, receipt] of left()) if (fits(entry)) follow(receipt, 'inBlock');
    },
    async untold(word) {
      const asked: Asked[] = [];
      for await (const entry of outbox.entries()) {
        const receipt = isOpen(entry, word) ? await outbox.receipt(entry.sendId) : undefined;
        if (receipt !== undefined) asked.push({ receipt, to: entry.to });
      }
      return asked;
    },
    async carryLeft() {
      for await (const [, receipt] of left()) rest.add(receipt, 'inBlock', () => undefined);
      // What becomes of it is not what this command was asked for; outbox ls tells.
      await rest.until(0, signal).catch((error: unknown) => {
        if (!isRelayError(error)) throw error;
      });
    },
    until: (left) => untilThere(progress, left, { output, signal }),
    async [Symbol.asyncDispose]() {
      await outbox.stop();
    },
  };
}

/** What earlier commands left, and nothing has been done with yet. */
async function queuedOf(queue: OutboxQueue): Promise<readonly bigint[]> {
  const ids: bigint[] = [];
  for await (const { sendId, status } of queue.entries()) if (status.state === 'queued') ids.push(sendId);
  return ids;
}

/** It is paid for by this command's account, and on chain for good; one that is followed is told of as it is. */
async function tellOnChain(
  outbox: Outbox,
  sendId: bigint,
  followed: ReadonlySet<bigint>,
  output: Output,
): Promise<void> {
  // One that does not go is not what the command was asked for: outbox ls tells.
  const arrival = await outbox
    .receipt(sendId)
    .then((receipt) => receipt?.reached('inBlock'))
    .catch(() => undefined);
  if (arrival === undefined || arrival.state === 'relayed' || followed.has(sendId)) return;
  const { messageId, blockNumber } = arrival;
  output.say(
    `Message ${sendId}, which was left by an earlier command, went too: ${short(messageId)} in block ${blockNumber}.`,
  );
}

function isOpen(
  { deliveryReceipt, delivered, readReceipt, read, status: { state } }: OutboxEntry,
  word: Word,
): boolean {
  if (word === 'delivered') return deliveryReceipt === true && delivered === undefined && state === 'relayed';
  return readReceipt === true && read === undefined && (state === 'relayed' || state === 'finalized');
}

function printSent(output: Output, arrival: Arrival): void {
  const { messageId } = arrival;
  if (arrival.state === 'relayed') {
    const { endpoint, status } = arrival;
    output.print(
      { event: 'sent', messageId, via: 'relay', endpoint, status },
      `Sent ${short(messageId)} to ${endpoint}: ${status}.`,
    );
    return;
  }
  const { blockHash, blockNumber } = arrival;
  output.print(
    { event: 'sent', messageId, via: 'chain', blockHash, block: blockNumber },
    `Sent ${short(messageId)} in block ${blockNumber} (${short(blockHash)}).`,
  );
}

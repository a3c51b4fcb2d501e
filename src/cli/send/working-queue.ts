import type { Account } from '../../chain/index.ts';
import { isRelayError, type RelayError } from '../../errors/index.ts';
import { createOutbox, type Arrival, type Outbox, type OutboxEntry, type Receipt } from '../../outbox/index.ts';
import { short, type Output } from '../output.ts';
import { timeoutMs } from '../session.ts';
import { warn } from '../warn.ts';
import { Progress } from './progress.ts';
import { carrierOf, outboxOptionsOf, type QueueParts } from './sending.ts';
import { tellOnChain } from './tell-on-chain.ts';
import { untilThere } from './until-there.ts';
import type { Asked, Word } from './awaited-words.ts';

/** The entity's queue, worked on for as long as a command lasts: what it can't send stays for the next one. */
export interface WorkingQueue extends AsyncDisposable {
  readonly outbox: Outbox;
  readonly progress: Progress;
  /** Prints when a message is there; `progress` waits for it. */
  follow(receipt: Receipt, until: 'inBlock' | 'finalized'): void;
  /** As {@link untilThere}. */
  until(left: number): Promise<void>;
  /** Of what went: where this was asked, and was not told, whether it still may be or not. */
  untold(word: Word): Promise<readonly Asked[]>;
  /** Goes on with what earlier commands left, for as long as any of it gets on. */
  carryLeft(): Promise<void>;
}

/** Without a step of any, the rest is left to the next command, ms. */
const restPatienceMs = 1_000;

export interface WorkOnQueueOptions {
  /** Whether a message that an earlier command left is followed like those of this one. Default: none is. */
  readonly isMeant?: (entry: OutboxEntry) => boolean;
  /** As of {@link Progress}. */
  readonly onFailure?: (sendId: bigint, error: RelayError) => void;
}

/**
 * Starts on what is in the queue, and goes on until it is disposed. Of what earlier commands left and is not followed it is said
 * where it goes on chain.
 */
export async function workOnQueue(
  parts: QueueParts,
  { isMeant = () => false, onFailure }: WorkOnQueueOptions = {},
): Promise<WorkingQueue> {
  const { account, context } = parts;
  const { settings, output, signal } = context;
  const progress = new Progress(timeoutMs(settings), onFailure);
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
  const follow: WorkingQueue['follow'] = (receipt, until) => {
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
  // Before anything is done with it.
  const others: bigint[] = [];
  for await (const [entry, receipt] of left())
    if (isMeant(entry)) follow(receipt, 'inBlock');
    else if (account !== undefined && mayBePaidBy(account, entry)) others.push(entry.sendId);
  await outbox.start();
  // Until the outbox stops; what its store throws it tells itself.
  tellOnChain(outbox, others, output).catch(() => undefined);
  return {
    ...{ outbox, progress, follow },
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

/** Of what waits, whether the account of this command may come to pay for it. */
function mayBePaidBy({ id }: Account, { via, account, status }: OutboxEntry): boolean {
  return status.state === 'queued' && via !== 'relay' && (account === undefined || account === id);
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

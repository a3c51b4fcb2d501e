import { checkU64, RelayError } from '../errors/index.ts';
import type { TransactionalStore } from '../store/transactional-store.ts';
import { onChainSide } from './chain-side.ts';
import { isWaiting, type MessageRecord } from './message-record.ts';
import { deliveryReceiptOf } from './delivery-state.ts';
import { noteReply } from './note-reply.ts';
import type { CancelOptions, OutboxEntry, OutboxQueue, RetryOptions } from './outbox.ts';
import type { ReplyNotice } from './reply-notice.ts';
import { firstRoute } from './route.ts';
import { Change, type Stored } from './outbox-change.ts';
import { OutboxStore } from './outbox-store.ts';
import type { SendId } from './send-id.ts';

/** What is known of a message after it went. */
type ReceivedReceipts = Pick<OutboxEntry, 'delivered' | 'read'>;

const pageSize = 256;
/** As long as recipients keep seen nonces by default (protocol.md §9): what is older they may refuse. */
const retentionMs = 30 * 86_400_000;

/** The queue in a store, without a chain or a vault: to look after what another process sends. `now`: Unix time, ms. */
export function openOutboxQueue(
  store: TransactionalStore,
  { now = Date.now }: { readonly now?: () => number } = {},
): OutboxQueue {
  return new StoredQueue(new OutboxStore(store), now);
}

export class StoredQueue implements OutboxQueue {
  readonly #store: OutboxStore;
  readonly #now: () => number;

  constructor(store: OutboxStore, now: () => number) {
    this.#store = store;
    this.#now = now;
  }

  async *entries(): AsyncGenerator<OutboxEntry> {
    for (let from = 0n; ;) {
      const page = await this.#store.list(from, pageSize);
      for (const { id, record } of page) yield toEntry(id, record, await this.#receiptsOf(id, record));
      const last = page.at(-1);
      if (last === undefined || page.length < pageSize) return;
      from = last.id + 1n;
    }
  }

  async *waitingOffChain(): AsyncGenerator<SendId> {
    for (let from = 0n; ;) {
      const { entries, last } = await this.#store.offChain(pageSize, from);
      for (const { id } of entries) yield id;
      if (last === undefined) break;
      from = last + 1n;
    }
    const { members } = await this.#store.inFlight();
    const told = new Set(members);
    for await (const { id } of onChainSide(this.#store)) {
      if (told.has(id)) continue;
      told.add(id);
      const stored = await this.#store.get(id);
      // An earlier version could leave the place of what had gone another way.
      if (stored !== undefined && isWaiting(stored)) yield id;
    }
  }

  async retry(sendId: SendId, { maxFee }: RetryOptions = {}): Promise<void> {
    await this.#change(sendId, async (stored) => {
      if (stored.record.progress.state !== 'failed' || (await this.#store.body(sendId)) === undefined)
        throw new RelayError('not-failed', { details: { sendId } });
      const { nonce, suite } = stored.record;
      const isOld = suite === 'v1' && Number(nonce >> 20n) < this.#now() - retentionMs;
      if (isOld) throw new RelayError('too-late-to-retry', { details: { sendId } });
      // What was signed may still come in: it goes that way, where that gets on. Else who runs the queue knows of a way off chain.
      const isSigned = (await this.#store.signed(sendId)) !== undefined;
      const route = isSigned ? 'worker' : firstRoute(stored.record, true);
      const again = maxFee === undefined ? stored : { id: sendId, record: { ...stored.record, maxFee } };
      return new Change().progress(again, { state: 'queued' }).requeue(again, route).done(sendId, false);
    });
  }

  async cancel(sendId: SendId, { giveUp = false }: CancelOptions = {}): Promise<void> {
    await this.#change(sendId, async (stored) => {
      const { progress } = stored.record;
      const isLeft = progress.state === 'queued' || progress.state === 'failed';
      // The signature stays: where somebody posts it all the same, it is found.
      const isSigned = giveUp && progress.state === 'submitted' && (await this.#store.signed(sendId)) !== undefined;
      if (!isLeft && !isSigned)
        throw new RelayError('too-late-to-cancel', { details: { sendId, state: progress.state } });
      const change = new Change().progress(stored, { state: 'failed', error: new RelayError('send-cancelled') });
      for (const route of ['relay', 'worker', 'account'] as const) change.unqueue(stored, route);
      return change.dropBody(sendId).done(sendId);
    });
  }

  async noteReply(reply: ReplyNotice): Promise<boolean> {
    return (await noteReply(this.#store, reply)) !== undefined;
  }

  async #receiptsOf(id: SendId, { readReceipt, deliveryReceipt }: MessageRecord): Promise<ReceivedReceipts> {
    const read = readReceipt ? await this.#store.read(id) : undefined;
    const delivery = deliveryReceipt ? await this.#store.delivery(id) : undefined;
    return {
      ...(delivery?.state === 'delivered' && { delivered: deliveryReceiptOf(delivery) }),
      ...(read !== undefined && { read }),
    };
  }

  async #change(sendId: SendId, decide: (stored: Stored) => Promise<Change>): Promise<void> {
    checkU64('sendId', sendId);
    for (;;) {
      const stored = await this.#store.get(sendId);
      if (stored === undefined) throw new RelayError('no-such-message', { details: { sendId } });
      if (await this.#store.commitBeside(await decide(stored), [stored])) return;
    }
  }
}

function toEntry(sendId: SendId, record: MessageRecord, receipts: ReceivedReceipts): OutboxEntry {
  const { suite, to, as, via, nonce, queuedAt, bodyBytes, account, readReceipt, deliveryReceipt, progress } = record;
  const sender = account === undefined ? {} : { account };
  const asked = { ...(deliveryReceipt && { deliveryReceipt }), ...(readReceipt && { readReceipt }) };
  return { sendId, suite, to, as, ...sender, via, nonce, queuedAt, bodyBytes, status: progress, ...asked, ...receipts };
}

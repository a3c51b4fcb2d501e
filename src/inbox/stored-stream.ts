import { messageId, type Hex } from '../codec/index.ts';
import { decodeV1 } from '../crypto/core.ts';
import { RelayError } from '../errors/index.ts';
import type { Write } from '../store/index.ts';
import type { Vault } from '../vault/index.ts';
import { openAll } from './admission.ts';
import type { OpenedMessage } from './arrival.ts';
import type { SequencedMessage } from './consumer.ts';
import { claimedSender } from './dead-letter.ts';
import { StoredDelivery, type DeliveryContext } from './delivery.ts';
import type { DispatcherParts } from './dispatcher.ts';
import type { InboxStore } from './inbox-store.ts';
import type { InboxEvent } from './inbox.ts';
import type { MessageRecord, Sequence, StreamItem } from './stream-item.ts';
import type { Transactions } from './transactions.ts';

export interface StoredStreamParts {
  readonly store: InboxStore;
  readonly transactions: Transactions;
  readonly vault: Vault;
  readonly genesisHash: Hex;
  /** A delivery is left undone. */
  readonly leave: (sequence: Sequence) => void;
}

/** Stored items as a subscriber gets them, and what is written of that. */
export function storedStream(parts: StoredStreamParts): Omit<DispatcherParts, 'isRegistered' | 'most' | 'onFailure'> {
  const { store, transactions, genesisHash, leave } = parts;
  const context: DeliveryContext = {
    ...{ genesisHash, leave },
    acknowledge: (sequence, isFinal) => transactions.acknowledge(sequence, isFinal),
  };
  return {
    store,
    open: (messages) => open(parts, messages),
    deliveryOf: (sequence, record, opened, place) => new StoredDelivery(sequence, record, opened, place, context),
    eventOf: (item) => eventOf(parts, item),
    settled: () => transactions.settled(),
    handOver: (sequences) => handOver(transactions, sequences),
    told: (sequences) => transactions.change((files) => files.doneWrites(sequences)),
  };
}

async function open(
  { vault, genesisHash, transactions }: StoredStreamParts,
  messages: readonly SequencedMessage[],
): Promise<(OpenedMessage | undefined)[]> {
  const outcomes = await openAll(
    { vault, genesisHash },
    messages.map(([, record]) => record),
  );
  const opened: (OpenedMessage | undefined)[] = [];
  for (const [i, [sequence]] of messages.entries()) {
    const outcome = outcomes[i];
    const isOpen = outcome !== undefined && 'body' in outcome;
    if (!isOpen) await bury(transactions, sequence, outcome ?? new RelayError('open-failed'));
    opened.push(isOpen ? outcome : undefined);
  }
  return opened;
}

/**
 * Puts an accepted message aside that does not open any more, as when its epoch was erased since: as it is now. It may be
 * final since it was read, and one that a reorg took stays where it is.
 */
function bury(transactions: Transactions, sequence: Sequence, { code }: RelayError): Promise<void> {
  return transactions.change(async (store) => {
    const item = await store.item(sequence);
    if (item?.kind !== 'message' || item.isRetracted || item.isAcknowledged) return [];
    const { envelope, block, isFinal, isProven } = item;
    const letter = { envelope, code, sender: senderOf(item), block, isFinal, isProven, retries: 0 };
    return [
      ...store.letters.writes(sequence, letter),
      ...(await store.replaceWrites(sequence, { kind: 'dead', letter: sequence })),
      ...(block === undefined || isFinal ? [] : [store.early.messageWrite(block.number, sequence, true)]),
    ];
  });
}

/** Of an accepted message the header's sender is the proven one. */
function senderOf({ envelope, block }: MessageRecord) {
  if (block === undefined) return undefined;
  const { fromKind: kind, from: id } = decodeV1(envelope).header;
  return { kind, id };
}

/**
 * Before messages that wait are handed out: durably they wait no more. Gives those that are there still, as they are now;
 * a reorg may have taken some meanwhile, or they may be final.
 */
async function handOver(
  transactions: Transactions,
  sequences: readonly Sequence[],
): Promise<ReadonlyMap<Sequence, MessageRecord>> {
  let present = new Map<Sequence, MessageRecord>();
  await transactions.change(async (store) => {
    const writes: Write[] = [];
    present = new Map();
    for (const sequence of sequences) {
      const item = await store.item(sequence);
      if (item?.kind !== 'message' || item.isRetracted || item.isAcknowledged) continue;
      const record = { ...item, isWaiting: false };
      present.set(sequence, record);
      if (item.isWaiting) writes.push(store.itemWrite(sequence, record));
    }
    return writes;
  });
  return present;
}

async function eventOf(
  parts: Pick<StoredStreamParts, 'store' | 'genesisHash'>,
  item: Exclude<StreamItem, MessageRecord>,
): Promise<InboxEvent | undefined> {
  switch (item.kind) {
    case 'gap':
      return { type: 'gap', first: item.first, last: item.last };
    case 'finalized':
      return { type: 'finalized', messageId: item.messageId, proven: item.isProven };
    case 'dead':
      return deadEvent(parts, item.letter);
    default:
      return { type: item.kind, messageId: item.messageId };
  }
}

async function deadEvent(
  { store, genesisHash }: Pick<StoredStreamParts, 'store' | 'genesisHash'>,
  sequence: Sequence,
): Promise<InboxEvent | undefined> {
  const letter = await store.letters.get(sequence);
  if (letter === undefined) return undefined;
  const { envelope, code, sender } = letter;
  const from = sender === undefined ? claimedSender(envelope) : sender.kind === 'other' ? undefined : sender.id;
  return { type: 'dead', messageId: messageId({ genesisHash, envelope }), from, code };
}

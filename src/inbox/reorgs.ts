import type { BlockId } from '../chain/index.ts';
import type { ChannelId, ReplayWindow } from '../channel/index.ts';
import { messageId, type Header, type Hex } from '../codec/index.ts';
import { decodeV1 } from '../crypto/core.ts';
import type { RelayError } from '../errors/index.ts';
import type { Write } from '../store/index.ts';
import type { OpenedMessage } from './arrival.ts';
import { maxBlockNumber } from './early-marks.ts';
import type { InboxStore } from './inbox-store.ts';
import type { MessageRecord, Sequence, StreamItem } from './stream-item.ts';

export interface ReorgParts {
  readonly store: InboxStore;
  readonly window: ReplayWindow;
  readonly genesisHash: Hex;
}

/** What to write, and what the consumer is to be told. */
export interface Changes {
  readonly writes: readonly Write[];
  readonly items: readonly StreamItem[];
}

/** Where a message is that a reorg took back. */
export async function retractedBefore(
  { store, genesisHash }: Pick<ReorgParts, 'store' | 'genesisHash'>,
  { envelope }: { readonly envelope: Uint8Array },
): Promise<Sequence | undefined> {
  return store.early.retracted(messageId({ genesisHash, envelope }));
}

/** Takes a retracted message again: what to write, and what to append. */
export async function reinstateWrites(
  { store, genesisHash }: Pick<ReorgParts, 'store' | 'genesisHash'>,
  sequence: Sequence,
  record: MessageRecord,
) {
  const id = messageId({ genesisHash, envelope: record.envelope });
  const earlier = await store.item(sequence);
  const isAcknowledged = earlier?.kind === 'message' && earlier.isAcknowledged;
  const before = earlier?.kind === 'message' ? earlier.block : undefined;
  const isKept = !(record.isFinal && isAcknowledged);
  const writes = [
    ...(before === undefined || (before.number === record.block?.number && !record.isFinal)
      ? []
      : [store.early.messageWrite(before.number, sequence, false)]),
    store.itemWrite(sequence, isKept ? { ...record, isAcknowledged, isWaiting: false, isReinstated: true } : undefined),
    store.early.retractedWrite(id, undefined),
  ];
  return { writes, notice: { kind: 'reinstated', of: sequence, messageId: id } as const };
}

/** What a finalized block settles: what came before is final, and what stayed retracted below it is forgotten. */
export async function settleWrites({ store, window, genesisHash }: ReorgParts, head: BlockId): Promise<Changes> {
  const writes: Write[] = [store.cursorWrite(head)];
  const items: StreamItem[] = [];
  const final: (readonly [ChannelId, bigint])[] = [];
  for (const { number, sequence } of await store.early.messages(0, head.number)) {
    writes.push(store.early.messageWrite(number, sequence, false), store.early.copyWrite(sequence, undefined));
    const item = await store.item(sequence);
    if (item?.kind === 'message') {
      const id = messageId({ genesisHash, envelope: item.envelope });
      const isDone = item.isAcknowledged || item.isRetracted;
      writes.push(store.itemWrite(sequence, isDone ? undefined : { ...item, isFinal: true, isWaiting: false }));
      if (item.isRetracted) {
        writes.push(store.early.retractedWrite(id, undefined));
        continue;
      }
      const { header } = decodeV1(item.envelope);
      final.push([header, header.nonce]);
      if (!item.isWaiting) items.push({ kind: 'finalized', of: sequence, messageId: id, isProven: item.isProven });
    } else {
      const letter = await store.letters.get(sequence);
      if (letter !== undefined) writes.push(...store.letters.writes(sequence, { ...letter, isFinal: true }));
    }
  }
  writes.push(...(await store.early.taken(0, head.number)).map((block) => store.early.takenWrite(block, false)));
  writes.push(...(await window.finalized(final)));
  return { writes, items };
}

/**
 * Early blocks above a finalized one that brought what is in a finalized block now: a reorg moved it there, unseen. Once they
 * were found to be gone, it would be past.
 */
export async function displaced(
  store: InboxStore,
  final: readonly (OpenedMessage | RelayError)[],
  { number }: BlockId,
): Promise<BlockId[]> {
  const names = new Set(final.flatMap((each) => ('header' in each ? [nameOf(each.header)] : [])));
  const blocks = new Map<Hex, BlockId>();
  for (const { sequence } of await store.early.messages(number + 1, maxBlockNumber)) {
    const item = await store.item(sequence);
    if (item?.kind !== 'message' || item.block === undefined || item.isRetracted) continue;
    if (names.has(nameOf(decodeV1(item.envelope).header))) blocks.set(item.block.hash, item.block);
  }
  return [...blocks.values()];
}

/** What a message is told apart by (protocol.md §9). */
function nameOf({ fromKind, from, to, nonce }: Header): string {
  return `${fromKind} ${from} ${to} ${nonce}`;
}

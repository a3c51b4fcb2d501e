import type { BlockId } from '../chain/index.ts';
import type { ChannelId, ReplayWindow } from '../channel/index.ts';
import { messageId, type Header, type Hex } from '../codec/index.ts';
import { decodeV1 } from '../crypto/core.ts';
import { isRelayError, type RelayError } from '../errors/index.ts';
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

/** Takes back what blocks brought that are no longer on the best branch: it frees the nonces. What waits is gone without a word. */
export async function reorgWrites(
  { store, window, genesisHash }: ReorgParts,
  blocks: readonly BlockId[],
): Promise<Changes> {
  const writes: Write[] = [];
  const items: StreamItem[] = [];
  for (const block of blocks) {
    for (const { sequence } of await store.early.messages(block.number, block.number)) {
      const item = await store.item(sequence);
      if (item?.kind === 'message') {
        if (item.block?.hash !== block.hash || item.isRetracted) continue;
        const { header } = decodeV1(item.envelope);
        writes.push(window.release(header, header.nonce));
        if (item.isWaiting) {
          writes.push(store.itemWrite(sequence, undefined), store.early.messageWrite(block.number, sequence, false));
          continue;
        }
        const id = messageId({ genesisHash, envelope: item.envelope });
        writes.push(
          store.itemWrite(sequence, { ...item, isRetracted: true }),
          store.early.retractedWrite(id, sequence),
        );
        items.push({ kind: 'retracted', of: sequence, messageId: id });
        continue;
      }
      const letter = await store.letters.get(sequence);
      if (letter?.block?.hash === block.hash) {
        // As if it had never been posted.
        writes.push(...store.letters.removeWrites(sequence), store.early.messageWrite(block.number, sequence, false));
        if (item?.kind === 'dead') writes.push(store.itemWrite(sequence, undefined));
        const header = headerOf(letter.envelope);
        // It was accepted once, and could not be opened later.
        const isOwn = header !== undefined && (await window.find(header, header.nonce)) === sequence;
        if (isOwn) writes.push(window.release(header, header.nonce));
      }
    }
    writes.push(store.early.takenWrite(block, false));
  }
  return { writes, items };
}

/** undefined of what is no envelope. */
function headerOf(envelope: Uint8Array): Header | undefined {
  try {
    return decodeV1(envelope).header;
  } catch (error) {
    if (isRelayError(error)) return undefined;
    throw error;
  }
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
    writes.push(store.early.messageWrite(number, sequence, false));
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
      if (letter !== undefined) writes.push(store.letters.write(sequence, { ...letter, isFinal: true }));
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

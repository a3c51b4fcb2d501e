import type { BlockId } from '../chain/index.ts';
import type { ChannelId, ReplayWindow } from '../channel/index.ts';
import { messageId, type Header, type Hex } from '../codec/index.ts';
import { decodeV1 } from '../crypto/core.ts';
import { isRelayError } from '../errors/index.ts';
import type { Write } from '../store/index.ts';
import type { InboxStore } from './inbox-store.ts';
import type { StreamItem } from './stream-item.ts';

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

/** Takes back what blocks brought that are no longer on the best branch: it frees the nonces. */
export async function reorgWrites(
  { store, window, genesisHash }: ReorgParts,
  blocks: readonly BlockId[],
): Promise<Changes> {
  const writes: Write[] = [];
  const items: StreamItem[] = [];
  for (const block of blocks) {
    for (const { sequence } of await store.early(block.number, block.number)) {
      const item = await store.item(sequence);
      if (item?.kind === 'message') {
        if (item.block?.hash !== block.hash || item.isRetracted) continue;
        const { header } = decodeV1(item.envelope);
        const id = messageId({ genesisHash, envelope: item.envelope });
        writes.push(
          window.release(header, header.nonce),
          store.itemWrite(sequence, { ...item, isRetracted: true }),
          store.retractedWrite(id, sequence),
        );
        items.push({ kind: 'retracted', of: sequence, messageId: id });
        continue;
      }
      const letter = await store.letter(sequence);
      if (letter?.block?.hash === block.hash) {
        // As if it had never been posted.
        writes.push(...store.removeLetterWrites(sequence), store.earlyWrite(block.number, sequence, false));
        if (item?.kind === 'dead') writes.push(store.itemWrite(sequence, undefined));
        const header = headerOf(letter.envelope);
        // It was accepted once, and could not be opened later.
        const isOwn = header !== undefined && (await window.find(header, header.nonce)) === sequence;
        if (isOwn) writes.push(window.release(header, header.nonce));
      }
    }
    writes.push(store.takenWrite(block, false));
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

/** What a finalized block settles: what came before is final, and what stayed retracted below it is forgotten. */
export async function settleWrites({ store, window, genesisHash }: ReorgParts, head: BlockId): Promise<Changes> {
  const writes: Write[] = [store.cursorWrite(head)];
  const items: StreamItem[] = [];
  const final: (readonly [ChannelId, bigint])[] = [];
  for (const { number, sequence } of await store.early(0, head.number)) {
    writes.push(store.earlyWrite(number, sequence, false));
    const item = await store.item(sequence);
    if (item?.kind === 'message') {
      const id = messageId({ genesisHash, envelope: item.envelope });
      const isDone = item.isAcknowledged || item.isRetracted;
      writes.push(store.itemWrite(sequence, isDone ? undefined : { ...item, isFinal: true }));
      if (item.isRetracted) {
        writes.push(store.retractedWrite(id, undefined));
        continue;
      }
      const { header } = decodeV1(item.envelope);
      final.push([header, header.nonce]);
      items.push({ kind: 'finalized', of: sequence, messageId: id, isProven: item.isProven });
    } else {
      const letter = await store.letter(sequence);
      if (letter !== undefined) writes.push(store.letterWrite(sequence, { ...letter, isFinal: true }));
    }
  }
  writes.push(...(await store.taken(0, head.number)).map((block) => store.takenWrite(block, false)));
  writes.push(...(await window.finalized(final)));
  return { writes, items };
}

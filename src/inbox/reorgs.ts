import type { Chain } from '../chain/index.ts';
import type { ReplayWindow } from '../channel/index.ts';
import { messageId, type Hex } from '../codec/index.ts';
import { decodeV1 } from '../crypto/core.ts';
import type { Write } from '../store/index.ts';
import type { InboxStore, SequencedRecord } from './inbox-store.ts';
import type { BlockRef } from './message-record.ts';

/** Takes back the messages of a block that is no longer on the best branch; the ids of what was taken back. */
export async function retractBlock(
  store: InboxStore,
  window: ReplayWindow,
  genesisHash: Hex,
  hash: Hex,
): Promise<Hex[]> {
  const taken = (await unfinalized(store)).filter(([, record]) => record.block?.hash === hash && !record.isRetracted);
  const ids: Hex[] = [];
  const writes: Write[] = [];
  for (const [sequence, record] of taken) {
    const { header } = decodeV1(record.envelope);
    const id = messageId({ genesisHash, envelope: record.envelope });
    ids.push(id);
    writes.push(window.release(header, header.nonce), ...store.retractWrites(sequence, id, record));
  }
  if (writes.length > 0) await store.commit(writes);
  return ids;
}

/** Hashes of blocks whose messages were taken early and that a reorg removed while nobody looked. */
export async function removedBlocks(store: InboxStore, chain: Chain, signal: AbortSignal): Promise<Hex[]> {
  const blocks = new Map((await unfinalized(store)).map(([, { block }]) => [block?.hash, block?.number]));
  const removed: Hex[] = [];
  for (const [hash, number] of blocks)
    if (hash !== undefined && number !== undefined && (await chain.headAt(number, signal))?.hash !== hash)
      removed.push(hash);
  return removed;
}

/** What a finalized head settles: its messages are final, and what stayed retracted below it is forgotten. */
export async function finalizeUpTo(store: InboxStore, { number, hash }: BlockRef): Promise<void> {
  const writes: Write[] = [store.cursorWrite({ number, hash })];
  for (const [sequence, record] of await unfinalized(store)) {
    if (record.block === undefined || record.block.number > number) continue;
    const isDone = record.isAcknowledged || record.isRetracted;
    writes.push(store.recordWrite(sequence, isDone ? undefined : { ...record, isFinal: true }));
  }
  await store.commit(writes);
}

async function unfinalized(store: InboxStore): Promise<SequencedRecord[]> {
  return (await store.recordsFrom(0n)).filter(([, { isFinal }]) => !isFinal);
}

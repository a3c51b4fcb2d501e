import type { BlockId } from '../chain/index.ts';
import { equalBytes, messageId, type Header } from '../codec/index.ts';
import { decodeV1 } from '../crypto/core.ts';
import { isRelayError } from '../errors/index.ts';
import type { Write } from '../store/index.ts';
import type { Changes, ReorgParts } from './reorgs.ts';
import type { MessageRecord, Sequence, StreamItem } from './stream-item.ts';

/** What is of a message that came by a relay. */
const relayed = { block: undefined, isFinal: true, isProven: true, isWaiting: false } as const;

/**
 * Takes back what blocks brought that are no longer on the best branch: it frees the nonces. What waits is gone without a
 * word. Of what a relay brought too, that is kept. `start`: the sequence of the first of the items.
 */
export async function reorgWrites(parts: ReorgParts, blocks: readonly BlockId[], start: Sequence): Promise<Changes> {
  const reorg = new Reorg(parts, start);
  for (const block of blocks) await reorg.takeBack(block);
  return reorg;
}

class Reorg implements Changes {
  readonly writes: Write[] = [];
  readonly items: StreamItem[] = [];
  readonly #parts: ReorgParts;
  readonly #start: Sequence;

  constructor(parts: ReorgParts, start: Sequence) {
    this.#parts = parts;
    this.#start = start;
  }

  async takeBack(block: BlockId): Promise<void> {
    const { store } = this.#parts;
    for (const { sequence } of await store.early.messages(block.number, block.number)) {
      const item = await store.item(sequence);
      if (item?.kind !== 'message') await this.#takeLetter(sequence, block, item?.kind === 'dead');
      else if (item.block?.hash === block.hash && !item.isRetracted) await this.#takeMessage(sequence, item, block);
    }
    this.writes.push(store.early.takenWrite(block, false));
  }

  async #takeMessage(sequence: Sequence, item: MessageRecord, { number }: BlockId): Promise<void> {
    const { store, window, genesisHash } = this.#parts;
    const { header } = decodeV1(item.envelope);
    const id = messageId({ genesisHash, envelope: item.envelope });
    const copy = await store.early.copy(sequence);
    this.writes.push(window.release(header, header.nonce));
    if (item.isWaiting || (copy !== undefined && equalBytes(copy, item.envelope))) {
      if (copy !== undefined) await this.#keepCopy(sequence, header, sequence);
      const stays = copy === undefined || item.isAcknowledged ? undefined : { ...item, ...relayed, envelope: copy };
      this.writes.push(store.itemWrite(sequence, stays), store.early.messageWrite(number, sequence, false));
      if (!item.isWaiting) this.items.push({ kind: 'finalized', of: sequence, messageId: id, isProven: true });
      return;
    }
    this.writes.push(
      store.itemWrite(sequence, { ...item, isRetracted: true }),
      store.early.retractedWrite(id, sequence),
    );
    this.items.push({ kind: 'retracted', of: sequence, messageId: id });
    if (copy !== undefined) await this.#appendCopy(sequence, header, copy);
  }

  async #takeLetter(sequence: Sequence, block: BlockId, isUntold: boolean): Promise<void> {
    const { store, window, genesisHash } = this.#parts;
    const letter = await store.letters.get(sequence);
    if (letter?.block?.hash !== block.hash) return;
    // As if it had never been posted.
    this.writes.push(...store.letters.removeWrites(sequence), store.early.messageWrite(block.number, sequence, false));
    if (isUntold) this.writes.push(store.itemWrite(sequence, undefined));
    const header = headerOf(letter.envelope);
    if (header === undefined || (await window.find(header, header.nonce)) !== sequence) return;
    // It was accepted once, handed out maybe, and could not be opened later.
    this.writes.push(window.release(header, header.nonce));
    const id = messageId({ genesisHash, envelope: letter.envelope });
    this.items.push({ kind: 'retracted', of: sequence, messageId: id });
    const copy = await store.early.copy(sequence);
    if (copy !== undefined) await this.#appendCopy(sequence, header, copy);
  }

  async #appendCopy(sequence: Sequence, header: Header, envelope: Uint8Array): Promise<void> {
    await this.#keepCopy(sequence, header, this.#start + BigInt(this.items.length));
    const flags = { isAcknowledged: false, isRetracted: false, isReinstated: false };
    this.items.push({ kind: 'message', envelope, ...relayed, ...flags });
  }

  /** The nonce is that of the copy now, which is there as `tag`. */
  async #keepCopy(sequence: Sequence, header: Header, tag: Sequence): Promise<void> {
    const { store, window } = this.#parts;
    const { nonce } = header;
    this.writes.push(
      store.early.copyWrite(sequence, undefined),
      await window.retag({ channel: header, via: 'relay', nonce, tag }),
    );
  }
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

import {
  signedMessagesIn,
  type BlockId,
  type BlockNumber,
  type Chain,
  type Head,
  type MessageSpan,
  type PostedMessage,
} from '../chain/index.ts';
import { fromHex, messageId, toHex, type Hex } from '../codec/index.ts';
import { verify } from '../crypto/core.ts';
import { isRelayError, RelayError } from '../errors/index.ts';

/** A worker's message that was signed, by what blocks show of it. */
export interface SignedFacts {
  readonly messageId: Hex;
  readonly sequence: bigint;
  readonly destination: Uint8Array;
  /** No block up to this one has it, on whatever branch. */
  readonly since: BlockNumber;
}

/** Where a message is. lost-sight: if it is, then in one of these blocks, which no node has any more. */
export type Sighting =
  | { readonly kind: 'posted'; readonly block: BlockId; readonly isFinal: boolean }
  | { readonly kind: 'lost-sight'; readonly first: BlockNumber; readonly last: BlockNumber };

type MissingSpan = Extract<MessageSpan, { readonly type: 'missing' }>;

/** Blocks whose extrinsics are looked at in the place of their state. */
interface Unreadable {
  readonly first: BlockNumber;
  readonly last: BlockId;
  readonly hashAt: MissingSpan['hashAt'];
  /** The worker's next sequence before the first of them, and after the last. */
  readonly used: readonly [before: bigint, after: bigint];
}

/** Bodies asked for at once. */
const bodiesInFlight = 8;

/** Looks for the signed messages of one worker in the chain, each finalized block once at most. */
export class PostedSearch {
  readonly #chain: Chain;
  readonly #worker: Hex;
  readonly #signal: AbortSignal;
  /** The last finalized block that was looked at. */
  #through: BlockId | undefined;
  readonly #sightings = new Map<Hex, Sighting>();
  /** Ids of the worker's messages, by the hash of a block that is not final yet. */
  #early = new Map<Hex, readonly Hex[]>();

  constructor(chain: Chain, worker: Hex, signal: AbortSignal) {
    this.#chain = chain;
    this.#worker = worker;
    this.#signal = signal;
  }

  /**
   * Of what was signed and not forgotten, by message id; none of a message means that no block up to `best` has it. Throws
   * what the chain throws.
   */
  async upTo(
    { finalized, best }: { readonly finalized: Head; readonly best: Head },
    signed: readonly SignedFacts[],
  ): Promise<ReadonlyMap<Hex, Sighting>> {
    await this.#lookAtFinal(finalized, signed);
    const sightings = new Map(this.#sightings);
    for (const [id, block] of await this.#lookAtBest(finalized, best))
      if (!sightings.has(id)) sightings.set(id, { kind: 'posted', block, isFinal: false });
    return sightings;
  }

  forget(id: Hex): void {
    this.#sightings.delete(id);
  }

  async #lookAtFinal(finalized: Head, signed: readonly SignedFacts[]): Promise<void> {
    const since = signed.reduce((least, each) => Math.min(least, each.since), Infinity);
    if (since > finalized.number) return;
    if (this.#through === undefined || this.#through.number < since) this.#through = await this.#finalAt(since);
    try {
      while (this.#through.number < finalized.number)
        this.#through = await this.#readOn(this.#through, finalized, signed);
    } catch (error) {
      if (isRelayError(error, 'cursor-not-on-chain')) this.#beginAgain();
      throw error;
    }
  }

  /** The last block that was looked at was made up, and who knows how many before it. */
  #beginAgain(): void {
    this.#through = undefined;
    this.#sightings.clear();
  }

  /** Reads on to the finalized block, or over blocks whose state is gone; gives the last one. */
  async #readOn(after: BlockId, finalized: Head, signed: readonly SignedFacts[]): Promise<BlockId> {
    const wanted = new Set(signed.map(({ messageId: id }) => id));
    const topics = [...new Map(signed.map(({ destination }) => [toHex(destination), destination])).values()];
    for await (const span of this.#chain.messages.follow(after, { topics }, this.#signal)) {
      if (span.type === 'missing') return this.#lookAtBodies(await this.#behindTheEdge(span, finalized), signed);
      if (span.type === 'retracted') this.#unsee(span.through);
      else this.#see(span.messages, wanted);
      this.#through = span.through;
      if (span.through.number >= finalized.number) return span.through;
    }
    throw new RelayError('aborted');
  }

  #see(messages: readonly PostedMessage[], wanted: ReadonlySet<Hex>): void {
    for (const { sender, payload, block } of messages) {
      if (sender.kind !== 'worker' || sender.id !== this.#worker) continue;
      const id = this.#idOf(payload);
      if (wanted.has(id)) this.#sightings.set(id, { kind: 'posted', block, isFinal: true });
    }
  }

  /** Later blocks were made up by one node. */
  #unsee({ number }: BlockId): void {
    for (const [id, sighting] of this.#sightings)
      if (sighting.kind === 'posted' && sighting.block.number > number) this.#sightings.delete(id);
  }

  /** A node that does not have it yet is waited for. */
  async #finalAt(number: BlockNumber): Promise<BlockId> {
    const agreed = this.#chain.trust !== 'single';
    for await (const { head } of this.#chain.headEvents({ from: number, agreed }, this.#signal)) return head;
    throw new RelayError('aborted');
  }

  /**
   * Of blocks whose state is gone the extrinsics tell what was signed, not what was accepted. A sequence is accepted once:
   * where it was used in these blocks, and they hold one message only that is signed for it, then that was accepted.
   */
  async #lookAtBodies(unreadable: Unreadable, signed: readonly SignedFacts[]): Promise<BlockId> {
    const { first, last, used } = unreadable;
    const [before, after] = used;
    const wanted = signed.filter(
      ({ messageId: id, sequence }) =>
        sequence >= before && sequence < after && this.#sightings.get(id)?.kind !== 'posted',
    );
    const sequences = new Set(wanted.map(({ sequence }) => sequence));
    if (wanted.length > 0) {
      const { bySequence, isComplete } = await this.#signedIn(unreadable, sequences);
      for (const { messageId: id, sequence } of wanted) {
        const seen = bySequence.get(sequence) ?? new Map<Hex, BlockId>();
        const block = seen.get(id);
        if (block !== undefined && seen.size === 1 && isComplete)
          this.#sightings.set(id, { kind: 'posted', block, isFinal: true });
        else if (block !== undefined || !isComplete)
          this.#sightings.set(id, { kind: 'lost-sight', first, last: last.number });
      }
    }
    return last;
  }

  /**
   * The node goes on forgetting: what it forgets next is counted as missing, up to half of what follows, and half of what is
   * left where even that block is gone.
   */
  async #behindTheEdge({ first, through, hashAt }: MissingSpan, finalized: Head): Promise<Unreadable> {
    const before = await this.#sequenceBefore(first);
    const newest = finalized.number - 1;
    let last = through.number + Math.floor(Math.max(0, newest - through.number) / 2);
    for (;;) {
      const [hash, next] = [await hashAt(last), await hashAt(last + 1)];
      if (hash === undefined || next === undefined)
        throw new RelayError('outbox-setback', { details: { reason: 'the chain grows meanwhile' } });
      try {
        const used = [before, await this.#sequenceOnto(next)] as const;
        return { first, last: { number: last, hash }, hashAt, used };
      } catch (error) {
        if (!isRelayError(error, 'state-discarded') || last >= newest) throw error;
        last += Math.ceil((newest - last) / 2);
      }
    }
  }

  /** The worker's next sequence before a block. Where that is gone too, all that is looked for was signed later. */
  async #sequenceBefore(block: BlockNumber): Promise<bigint> {
    const { number, hash } = this.#through ?? { number: 0, hash: this.#chain.genesisHash };
    return number === block - 1 ? this.#sequenceAt(hash).catch(zeroWhereForgotten) : 0n;
  }

  /** The same, of a block whose state is there. */
  async #sequenceOnto(block: Hex): Promise<bigint> {
    const messages = await this.#chain.at(block).outboundMessages(this.#signal);
    const own = messages.filter(({ sender }) => sender.kind === 'worker' && sender.id === this.#worker);
    return (await this.#sequenceAt(block)) - BigInt(own.length);
  }

  #sequenceAt(block: Hex): Promise<bigint> {
    return this.#chain.at(block).ingressSequence(this.#worker, this.#signal);
  }

  async #signedIn({ first, last, hashAt }: Unreadable, sequences: ReadonlySet<bigint>) {
    const bySequence = new Map<bigint, Map<Hex, BlockId>>();
    let isComplete = true;
    for (let number = first; number <= last.number; number += bodiesInFlight) {
      const length = Math.min(bodiesInFlight, last.number - number + 1);
      const numbers = Array.from({ length }, (_, i) => number + i);
      const blocks: BlockId[] = [];
      for (const each of numbers) {
        const hash = await hashAt(each);
        if (hash !== undefined) blocks.push({ number: each, hash });
      }
      const bodies = await Promise.all(blocks.map(({ hash }) => this.#extrinsics(hash)));
      bodies.forEach((extrinsics, i) => {
        const block = blocks[i];
        if (extrinsics === undefined || block === undefined) isComplete = false;
        else
          for (const { sequence, payload, content, signature } of extrinsics.flatMap((each) =>
            signedMessagesIn(each, this.#worker),
          )) {
            if (!sequences.has(sequence) || !verify(fromHex(this.#worker), content, signature)) continue;
            const seen = bySequence.get(sequence) ?? new Map<Hex, BlockId>();
            bySequence.set(sequence, seen);
            const id = this.#idOf(payload);
            if (!seen.has(id)) seen.set(id, block);
          }
      });
    }
    return { bySequence, isComplete };
  }

  /** undefined where no node has them. */
  async #extrinsics(block: Hex): Promise<readonly Hex[] | undefined> {
    try {
      return await this.#chain.at(block).extrinsics(this.#signal);
    } catch (error) {
      if (isRelayError(error, 'state-discarded')) return undefined;
      throw error;
    }
  }

  async #lookAtBest(finalized: Head, best: Head): Promise<Map<Hex, BlockId>> {
    const found = new Map<Hex, BlockId>();
    const looked = new Map<Hex, readonly Hex[]>();
    for (let number = finalized.number + 1; number <= best.number; number++) {
      const head = await this.#chain.headAt(number, this.#signal);
      if (head === undefined) break;
      const ids = this.#early.get(head.hash) ?? (await this.#idsIn(head.hash));
      looked.set(head.hash, ids);
      for (const id of ids) found.set(id, { number, hash: head.hash });
    }
    this.#early = looked;
    return found;
  }

  async #idsIn(block: Hex): Promise<Hex[]> {
    const messages = await this.#chain.at(block).outboundMessages(this.#signal);
    return messages
      .filter(({ sender }) => sender.kind === 'worker' && sender.id === this.#worker)
      .map(({ payload }) => this.#idOf(payload));
  }

  #idOf(envelope: Uint8Array): Hex {
    return messageId({ genesisHash: this.#chain.genesisHash, envelope });
  }
}

function zeroWhereForgotten(error: unknown): bigint {
  if (!isRelayError(error, 'state-discarded')) throw error;
  return 0n;
}

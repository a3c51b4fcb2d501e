import type { BlockId, BlockNumber, Chain, Head, PostedMessage } from '../chain/index.ts';
import { messageId, toHex, type Hex } from '../codec/index.ts';
import { isRelayError, RelayError } from '../errors/index.ts';
import { AcceptedInBodies, type Bounds, type Step } from './accepted-in-bodies.ts';
import {
  nextAfter,
  stepsIn,
  unknown,
  unreadableBlocks,
  type Asked,
  type UnreadableBlocks,
} from './unreadable-blocks.ts';

/** A worker's message that was signed, by what blocks show of it. */
export interface SignedFacts {
  readonly messageId: Hex;
  readonly sequence: bigint;
  readonly destination: Uint8Array;
  /** No block up to this one has it, on whatever branch. */
  readonly since: BlockNumber;
  /** It has no nonce: neither a second posting nor none may come of a mistake. */
  readonly isCommand: boolean;
}

/** Where a message is. lost-sight: if it is, then in one of these blocks, which no node has any more. */
export type Sighting =
  | { readonly kind: 'posted'; readonly block: BlockId; readonly isFinal: boolean }
  | { readonly kind: 'lost-sight'; readonly first: BlockNumber; readonly last: BlockNumber };

/** Looks for the signed messages of one worker in the chain, each finalized block once at most. */
export class PostedSearch {
  readonly #chain: Chain;
  readonly #worker: Hex;
  readonly #signal: AbortSignal;
  readonly #asked: Asked;
  /** The last finalized block that was looked at. */
  #through: BlockId | undefined;
  /** The worker's next sequence after it, as far as it was read. */
  #next: Bounds = unknown;
  readonly #sightings = new Map<Hex, Sighting>();
  /** Ids of the worker's messages, by the hash of a block that is not final yet. */
  #early = new Map<Hex, readonly Hex[]>();

  constructor(chain: Chain, worker: Hex, signal: AbortSignal) {
    this.#chain = chain;
    this.#worker = worker;
    this.#signal = signal;
    this.#asked = { chain, worker, signal };
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
    if (this.#through === undefined || this.#through.number < since) {
      this.#next = unknown;
      this.#through = await this.#finalAt(since);
    }
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
    this.#next = unknown;
    this.#sightings.clear();
  }

  /** Reads on to the finalized block, or over blocks whose state is gone; gives the last one. */
  async #readOn(after: BlockId, finalized: Head, signed: readonly SignedFacts[]): Promise<BlockId> {
    const wanted = new Set(signed.map(({ messageId: id }) => id));
    const topics = [...new Map(signed.map(({ destination }) => [toHex(destination), destination])).values()];
    for await (const span of this.#chain.messages.follow(after, { topics }, this.#signal)) {
      if (span.type === 'missing') {
        const unreadable = await unreadableBlocks(this.#asked, span, finalized);
        const before = await this.#before(span.first, unreadable.after, signed);
        await this.#lookAtBodies(unreadable, before, signed);
        this.#next = { least: before.least, most: unreadable.after };
        return unreadable.last;
      }
      if (span.type === 'retracted') this.#unsee(span.through);
      else this.#see(span.messages, wanted);
      this.#next = await nextAfter(this.#asked, span.through.hash);
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

  /** Of blocks whose state is gone the extrinsics tell what was signed, and the worker's sequence what of it was accepted. */
  async #lookAtBodies(unreadable: UnreadableBlocks, before: Bounds, signed: readonly SignedFacts[]): Promise<void> {
    const { first, last, after } = unreadable;
    const ends = { before, after };
    const wanted = signed.filter(
      ({ messageId: id, sequence }) =>
        sequence >= ends.before.least && sequence < after && this.#sightings.get(id)?.kind !== 'posted',
    );
    if (wanted.length === 0) return;
    const steps = await stepsIn(this.#asked, unreadable, ends);
    const cautious = new AcceptedInBodies(steps.map(unsure), ends);
    const followed = new AcceptedInBodies(steps, ends);
    for (const { messageId: id, sequence, isCommand } of wanted) {
      const where = (isCommand || !followed.isPossible ? cautious : followed).of(id, sequence);
      if (where === 'unknown') this.#sightings.set(id, { kind: 'lost-sight', first, last: last.number });
      else if (where !== 'none') this.#sightings.set(id, { kind: 'posted', block: where, isFinal: true });
    }
  }

  /** The worker's next sequence before a block: what was signed since then has that one or a later one. */
  async #before(first: BlockNumber, after: bigint, signed: readonly SignedFacts[]): Promise<Bounds> {
    const { number, hash } = this.#through ?? { number: 0, hash: this.#chain.genesisHash };
    const { least, most } = this.#next === unknown ? await nextAfter(this.#asked, hash) : this.#next;
    const signedSince = signed.filter(({ since }) => since >= number).map(({ sequence }) => sequence);
    return { least, most: number === first - 1 ? [after, most, ...signedSince].reduce(lesser) : after };
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

function unsure(step: Step): Step {
  return step === 'gone' ? step : { ...step, isSure: false };
}

function lesser(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}

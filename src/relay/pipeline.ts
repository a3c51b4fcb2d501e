import type { Hex } from '../codec/index.ts';
import { asRelayError, isRelayError, RelayError } from '../errors/index.ts';
import type { Origin } from '../store/mail-quota.ts';
import type { MailStore } from '../store/mail-store.ts';
import type { Gate } from './access.ts';
import type { SentMessage } from './client-frames.ts';
import { InFlight } from './in-flight.ts';
import type { Ingest, Ingested } from './ingest.ts';
import type { Rate, RelayLimits } from './limits.ts';
import { handOver } from './local.ts';
import type { Metrics } from './metrics.ts';
import type { LocalEntity } from './relay-options.ts';
import { RecentMap } from './recent-map.ts';
import type { Route, Router } from './route.ts';
import { createStore, type Store } from './store.ts';
import { addressKey, TokenBuckets, unitsOf } from './token-buckets.ts';
import { checkFields, checkSignature, type VerifyOptions } from './verify.ts';

/** stored: kept for the recipient. delivered: its own inbox has it. duplicate: it was there before. forwarded: queued for another relay. */
export type MessageStatus = 'stored' | 'delivered' | 'duplicate' | 'forwarded';

export interface Receipt {
  readonly messageId: Hex;
  readonly status: MessageStatus;
}

/** Where a message came from. */
export interface Arrival {
  /** Peer's IP address. */
  readonly address: string;
  /** Relays that it passed, where one of them sent it. */
  readonly hops?: number;
  /** Whether its address was charged for it already, as for all that comes by HTTP or WebSocket. Default false. */
  readonly isPaid?: boolean;
}

/** Where a reply came from. */
export interface ReplyArrival {
  /** Peer's IP address; undefined: the relay's own entity, in this process. */
  readonly address?: string;
  /** Who has proven to be there. */
  readonly from: Hex;
}

/** again: it was queued before, and came the same way. before: it was queued before, and came another way, or nobody knows. */
export type Queued = 'queued' | 'again' | 'before';

/** Durable queue towards other relays. */
export interface ForwardQueue {
  /** Resolves when it is queued durably. */
  add(message: Ingested, hops: number, origin: Origin): Promise<Queued>;
}

export interface PipelineParts {
  readonly genesisHash: Hex;
  readonly mailStore: MailStore;
  readonly router: Router;
  readonly ingest: Ingest;
  readonly gate: Gate;
  readonly local: LocalEntity | undefined;
  readonly forward: ForwardQueue | undefined;
  /** Throws sender-refused for one whose messages are not forwarded. */
  readonly forwardGate: Gate;
  /** Whether room is kept for a sender. */
  readonly isKnown: (sender: Hex) => boolean;
  readonly verify: VerifyOptions;
  readonly limits: RelayLimits;
  readonly metrics: Metrics;
  readonly clock: () => number;
}

const maxHops = 3;
// What a sender repeats after a lost answer, or somebody else does, comes soon.
const maxRecent = 40_000;

/** A message's way: ingest → verify → store → deliver | forward. */
export class Pipeline {
  readonly inFlight: InFlight;
  readonly #parts: PipelineParts;
  /** Messages that were taken lately: they cost nothing but their address once more. */
  readonly #recent = new RecentMap<Hex, true>(maxRecent);
  readonly #store: Store;
  readonly #buckets: Readonly<Record<'address' | 'identity' | 'recipient' | 'strangers', TokenBuckets>>;

  constructor(parts: PipelineParts) {
    const { limits, clock } = parts;
    this.#parts = parts;
    this.#store = createStore(parts);
    this.inFlight = new InFlight(limits.maxPendingBytes);
    this.#buckets = {
      address: new TokenBuckets('this address', limits.perAddress, limits.maxTracked, clock),
      identity: new TokenBuckets('this sender', limits.perIdentity, limits.maxTracked, clock),
      recipient: new TokenBuckets('all senders to this recipient', limits.perRecipient, limits.maxTracked, clock),
      strangers: new TokenBuckets('strangers to this recipient', half(limits.perRecipient), limits.maxTracked, clock),
    };
  }

  /** Counts a costly request of an address, in units of {@link unitsOf}. Throws rate-limited. */
  admit(address: string, units = 1): void {
    this.#buckets.address.take(addressKey(address), units);
  }

  /** As {@link admit}, by the key of an address, for what can wait: time until it may go on, ms; 0: it is counted. */
  charge(key: string, units: number): number {
    return this.#buckets.address.tryTake(key, units);
  }

  /** Whether a message was taken for the relay's own entity lately. */
  isDeliveredHere({ to, messageId }: SentMessage): boolean {
    return to === this.#parts.local?.identity && this.#recent.get(messageId) === true;
  }

  /** Resolves when the message is durable. Throws a RelayError for one that is not taken. */
  submit(bytes: Uint8Array, arrival: Arrival): Promise<Receipt> {
    return this.#counted(bytes, () => this.#submit(bytes, arrival));
  }

  /** Puts a message into the reply box of the key that it is sealed to (docs/relay.md). As {@link submit}. */
  submitReply(bytes: Uint8Array, arrival: ReplyArrival): Promise<Receipt> {
    return this.#counted(bytes, () => this.#submitReply(bytes, arrival));
  }

  async #counted(bytes: Uint8Array, work: () => Promise<Receipt>): Promise<Receipt> {
    const { metrics } = this.#parts;
    const start = performance.now();
    let entered = false;
    try {
      this.inFlight.enter(bytes.length);
      entered = true;
      const receipt = await work();
      metrics.count('messages_total', receipt.status);
      return receipt;
    } catch (error) {
      const refused = asRelayError(error, 'relay-failed');
      metrics.count('refused_total', refused.code);
      throw refused;
    } finally {
      if (entered) this.inFlight.leave(bytes.length);
      metrics.answered(performance.now() - start);
    }
  }

  async #submit(bytes: Uint8Array, { address, hops, isPaid = false }: Arrival): Promise<Receipt> {
    const { ingest, router, gate, forwardGate, verify } = this.#parts;
    const units = unitsOf(bytes.length);
    if (!isPaid) this.admit(address, units);
    if (hops !== undefined && hops > maxHops)
      throw new RelayError('too-many-hops', { details: { hops, max: maxHops } });
    const message = ingest(bytes);
    checkFields(message, hops !== undefined, verify);
    gate(message.header.from);
    const route = router(message.header.to);
    if (route.kind === 'forward') forwardGate(message.header.from);
    const { messageId } = message;
    // A relay that sends one again may send it in a circle.
    if (hops === undefined && this.#recent.get(messageId) === true) return { messageId, status: 'duplicate' };
    await checkSignature(message, verify, addressKey(address));
    // After the signature: nobody can use up what belongs to another sender.
    this.#buckets.identity.take(message.header.from, units);
    const giveBack = this.#chargeRecipient(message, units);
    const status = await this.#pass(message, route, hops ?? 0).catch((error: unknown) => {
      // What is not taken uses up nothing that others may need.
      giveBack();
      throw error;
    });
    if (status === 'duplicate') {
      // Whoever repeats what a sender signed uses up nothing of the sender's.
      this.#buckets.identity.giveBack(message.header.from, units);
      giveBack();
    }
    this.#recent.set(messageId, true);
    return { messageId, status };
  }

  /** As in its mailbox, the half of it is for known senders. Throws rate-limited; gives what undoes it. */
  #chargeRecipient({ header: { from, to } }: Ingested, units: number): () => void {
    const { recipient, strangers } = this.#buckets;
    const charged = this.#parts.isKnown(from) ? [recipient] : [strangers, recipient];
    const taken: TokenBuckets[] = [];
    const giveBack = (): void => {
      for (const buckets of taken) buckets.giveBack(to, units);
    };
    try {
      for (const buckets of charged) {
        buckets.take(to, units);
        taken.push(buckets);
      }
      return giveBack;
    } catch (error) {
      giveBack();
      throw error;
    }
  }

  async #submitReply(bytes: Uint8Array, { address, from }: ReplyArrival): Promise<Receipt> {
    const { ingest, router, gate, verify } = this.#parts;
    const units = unitsOf(bytes.length);
    const message = ingest(bytes);
    checkFields(message, false, verify);
    const { header, messageId } = message;
    if (header.from !== from)
      throw new RelayError('signer-mismatch', { details: { claimed: header.from, proven: from } });
    gate(from);
    if (!isServed(router, from))
      throw new RelayError('sender-refused', {
        details: { identity: from, reason: 'replies are kept for those whose mail is taken here' },
      });
    await checkSignature(message, verify, address === undefined ? undefined : addressKey(address));
    if (address !== undefined) this.#buckets.identity.take(from, units);
    return { messageId, status: await this.#store.keepReply(message) };
  }

  async #pass(message: Ingested, route: Route, hops: number): Promise<MessageStatus> {
    const { local, forward, genesisHash } = this.#parts;
    if (route.kind === 'local' && local !== undefined)
      return handOver(message, local, { genesisHash, isForwarded: hops > 0 });
    if (route.kind === 'forward' && forward !== undefined) return this.#forward(message, forward, hops);
    return this.#store.keep(message);
  }

  async #forward(message: Ingested, forward: ForwardQueue, hops: number): Promise<MessageStatus> {
    if (hops >= maxHops) throw new RelayError('too-many-hops', { details: { hops: hops + 1, max: maxHops } });
    const sender = message.header.from;
    const origin = { sender, isKnown: this.#parts.isKnown(sender) };
    const queued = await forward.add(message, hops + 1, origin);
    if (queued === 'queued') return 'forwarded';
    // From its sender it is a retry; from a relay it is one after a lost answer, or it went in a circle.
    if (hops > 0 && queued === 'before')
      throw new RelayError('forward-loop', { details: { messageId: message.messageId } });
    return 'duplicate';
  }
}

function half({ perSecond, burst }: Rate): Rate {
  return { perSecond: perSecond / 2, burst: Math.max(1, burst / 2) };
}

/** Whether messages to it end here. */
function isServed(router: Router, identity: Hex): boolean {
  try {
    return router(identity).kind !== 'forward';
  } catch (error) {
    if (isRelayError(error, 'recipient-not-served') || isRelayError(error, 'recipient-unreachable')) return false;
    throw error;
  }
}

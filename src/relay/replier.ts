import { sealMessage, type Sender } from '../channel/seal-message.ts';
import { equalBytes, toBytes, type BytesLike, type Hex } from '../codec/index.ts';
import { asRelayError, isRelayError, RelayError } from '../errors/index.ts';
import type { Delivery } from '../inbox/inbox.ts';
import { checkTimer, pause } from '../signals/index.ts';
import { backoffMs, checkBackoff, type Backoff } from './backoff.ts';
import type { RelayClient } from './client.ts';
import { endingSignal } from './deadline.ts';
import type { Relay } from './relay.ts';
import type { PeerDirectory } from './requester.ts';
import { signMessage } from './sign-message.ts';

/** What a replier asks of WorkerState; a WorkerStateView is one. */
export interface ReplyDirectory extends PeerDirectory {
  get(id: Hex): (NonNullable<ReturnType<PeerDirectory['get']>> & { readonly epochs?: readonly Epoch[] }) | undefined;
}

interface Epoch {
  readonly ecdhKey: Uint8Array;
}

export interface ReplierOptions extends Sender {
  readonly directory: ReplyDirectory;
  readonly client: RelayClient;
  /** The entity's own relay, where this process runs one. */
  readonly relay?: Pick<Relay, 'postReply'>;
  /** Base URLs of the relays whose mailboxes are read. Default: none. */
  readonly relays?: readonly string[];
  /** How long a reply is tried, ms. Default 60 000: who asked does not wait much longer. */
  readonly patienceMs?: number;
  /** Pauses between attempts. Default 0.2 s to 5 s. */
  readonly backoff?: Backoff;
}

/** Answers messages: encrypted to the key that asked, left where it looks for the answer (protocol.md §8). */
export interface Replier {
  /**
   * Answers a delivery; without content: that it was read. Resolves when the answer is durable where it is looked for. Throws
   * no-reply-address, bad-public-key, reply-undelivered, aborted.
   */
  reply(delivery: Asking, content?: BytesLike, signal?: AbortSignal): Promise<void>;
  /** A message came by this relay: its answer goes there and nowhere else. */
  cameBy(messageId: Hex, url: string): void;
}

type Asking = Pick<Delivery, 'messageId' | 'from' | 'fromKind' | 'senderKey'>;

const defaults = { relays: [] as readonly string[], patienceMs: 60_000, backoff: { firstMs: 200, mostMs: 5_000 } };
const rememberedOrigins = 10_000;

/** Throws bad-value. */
export function createReplier(options: ReplierOptions): Replier {
  return new SealingReplier(options);
}

class SealingReplier implements Replier {
  readonly #options: ReplierOptions & Required<Pick<ReplierOptions, keyof typeof defaults>>;
  /** The relay that a message came by, oldest first. */
  readonly #origins = new Map<Hex, string>();

  constructor(options: ReplierOptions) {
    this.#options = { ...defaults, ...options };
    checkTimer('patienceMs', this.#options.patienceMs);
    checkBackoff(this.#options.backoff);
  }

  cameBy(messageId: Hex, url: string): void {
    this.#origins.set(messageId, url);
    const [oldest] = this.#origins.keys();
    if (this.#origins.size > rememberedOrigins && oldest !== undefined) this.#origins.delete(oldest);
  }

  async reply(delivery: Asking, content: BytesLike = new Uint8Array(), signal?: AbortSignal): Promise<void> {
    const { vault, genesisHash, patienceMs } = this.#options;
    const { from: to, messageId: inReplyTo } = delivery;
    // The id of an account is no IdentityKey: nothing off chain can be addressed to it.
    if (delivery.fromKind !== 'worker') throw new RelayError('no-reply-address', { details: { to } });
    const body = { kind: 'reply', inReplyTo, content: toBytes(content, 'The content') } as const;
    const { envelope } = await sealMessage(this.#options, { to, body, recipientKey: delivery.senderKey });
    const signed = await signMessage(vault, genesisHash, envelope);
    using ending = endingSignal(patienceMs, signal);
    await this.#deliver(delivery, signed, ending.signal);
    if (signal?.aborted === true) throw new RelayError('aborted', { cause: signal.reason });
    this.#origins.delete(inReplyTo);
  }

  async #deliver(delivery: Asking, signed: Uint8Array, signal: AbortSignal): Promise<void> {
    const { from: to } = delivery;
    const published = this.#publishedEndpoints(delivery);
    const places =
      published === undefined ? this.#boxes(delivery, signed, signal) : [this.#atEndpoints(published, signed, signal)];
    if (places.length === 0) throw new RelayError('no-reply-address', { details: { to } });
    const outcomes = await Promise.allSettled(places.map((leave) => this.#insist(leave, signal)));
    if (outcomes.some(({ status }) => status === 'fulfilled')) return;
    const [failure] = outcomes.filter((outcome) => outcome.status === 'rejected');
    const { message: reason } = asRelayError(failure?.reason, 'endpoint-failed', { endpoint: 'unknown' });
    throw new RelayError('reply-undelivered', { details: { to, reason }, cause: failure?.reason });
  }

  /** Of a worker that asked from a key which it has on chain: its mailbox is where it reads. undefined: it waits at a box. */
  #publishedEndpoints({ from, senderKey }: Asking): readonly string[] | undefined {
    const worker = this.#options.directory.get(from);
    if (worker === undefined || worker.endpoints.length === 0) return undefined;
    const keys = [worker.current, ...(worker.epochs ?? [])];
    return keys.some(({ ecdhKey }) => equalBytes(ecdhKey, senderKey)) ? worker.endpoints : undefined;
  }

  #atEndpoints(endpoints: readonly string[], signed: Uint8Array, signal: AbortSignal) {
    return () => this.#options.client.send(signed, endpoints, { signal });
  }

  /** Where the asker may wait: the relay that its message came by, or all where that is not known. */
  #boxes({ messageId }: Asking, signed: Uint8Array, signal: AbortSignal): (() => Promise<unknown>)[] {
    const { relay, relays, vault, client } = this.#options;
    const sender = { identity: vault.identity, sign: vault.sign.bind(vault) };
    const leaveAt = (url: string) => () => client.postReply(signed, url, sender, { signal });
    const origin = this.#origins.get(messageId);
    if (origin !== undefined) return [leaveAt(origin)];
    return [...(relay === undefined ? [] : [() => relay.postReply(signed)]), ...relays.map(leaveAt)];
  }

  /** Tries again what may yet succeed, until the signal ends it. */
  async #insist(leave: () => Promise<unknown>, signal: AbortSignal): Promise<void> {
    let last: RelayError | undefined;
    for (let failures = 1; ; failures++) {
      try {
        await leave();
        return;
      } catch (error) {
        if (!isRelayError(error) || isHopeless.has(error.code)) throw error;
        await pause(backoffMs(failures, this.#options.backoff), signal);
        last = error.code === 'aborted' ? (last ?? error) : error;
        // Its time is over: then this is why it was in vain.
        if (signal.aborted) throw last;
      }
    }
  }
}

const isHopeless: ReadonlySet<string> = new Set([
  'sender-refused',
  'endpoint-refused',
  'envelope-too-large',
  'login-refused',
  'wrong-chain',
  'client-stopped',
  'clock-skew',
  'reply-boxes-full',
]);

import { newerKey, type NewerKey } from '../channel/newer-key.ts';
import type { KeyDirectory } from '../channel/recipient-key.ts';
import { sealMessage, type SealedMessage, type Sender } from '../channel/seal-message.ts';
import type { BodyInput, Hex } from '../codec/index.ts';
import { decodeV1 } from '../crypto/core.ts';
import { RelayError } from '../errors/index.ts';
import { checkTimer } from '../signals/index.ts';
import { Deadline } from './deadline.ts';
import type { RelayClient, SentReceipt } from './client.ts';
import { mayBeHandedOn } from './reply-places.ts';
import { readReply, type Reply } from './read-reply.ts';
import { signMessage } from './sign-message.ts';

/** What a requester asks of WorkerState; a WorkerStateView is one. */
export interface PeerDirectory extends KeyDirectory {
  get(id: Hex):
    | {
        readonly current: { readonly epoch: number; readonly ecdhKey: Uint8Array; readonly proven: boolean };
        readonly endpoints: readonly string[];
      }
    | undefined;
}

export interface RequesterOptions extends Sender {
  readonly client: RelayClient;
  /**
   * Relays that hand on what no endpoint of the recipient takes from here, and connect to those for the answer. Base URLs.
   * Default: none.
   */
  readonly forwarders?: readonly string[];
  readonly directory: PeerDirectory;
  /** Told of a key that a recipient proves to have instead of the one in the directory, which it has erased. What it throws, `ask` throws. */
  readonly onNewerKey?: (to: Hex, key: NewerKey) => Promise<void> | void;
}

export interface Request {
  readonly to: Hex;
  /** An invocation, as a rule; data, where the recipient answers that. */
  readonly body: BodyInput;
  /** For the whole of it, ms. Default 30 000; the most is 7 days. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** A message that is durable at a relay or at its recipient, whose answer is waited for. */
export interface Asked extends SentReceipt {
  readonly nonce: bigint;
  /** Throws request-timeout, aborted, login-refused, client-stopped, and failures of the vault. */
  readonly reply: Promise<Reply>;
}

/**
 * Asks workers, and waits for their answers. Whoever asks need not be registered: each message is sealed from a key made
 * for it, and the answer comes to that key, at the relay that took the message (protocol.md §8), or where that one handed it on to.
 */
export interface Requester {
  /**
   * Resolves when the message is taken. Throws unknown-recipient, unproven-key, recipient-unreachable, fresh-keys-full,
   * request-timeout, bad-value, and what RelayClient.send throws.
   */
  ask(request: Request): Promise<Asked>;
  /** The answer alone. Throws what {@link ask} and its `reply` throw. */
  request(request: Request): Promise<Reply>;
}

const defaultTimeoutMs = 30_000;

export function createRequester(options: RequesterOptions): Requester {
  const ask = async (request: Request): Promise<Asked> => new Conversation(options, request).ask();
  return { ask, request: async (request) => (await ask(request)).reply };
}

/** One question and its answer. */
class Conversation {
  readonly #options: RequesterOptions;
  readonly #request: Request;
  readonly #timeoutMs: number;
  readonly #deadline: Deadline;

  constructor(options: RequesterOptions, request: Request) {
    const { to, signal, timeoutMs = defaultTimeoutMs } = request;
    checkTimer('timeoutMs', timeoutMs);
    this.#options = options;
    this.#request = request;
    this.#timeoutMs = timeoutMs;
    this.#deadline = new Deadline(
      { signal, timeoutMs },
      () => new RelayError('request-timeout', { details: { to, timeoutMs } }),
    );
  }

  async ask(): Promise<Asked> {
    try {
      const { sealed, receipt } = await this.#send(await this.#seal());
      const reply = this.#answer(sealed, receipt).finally(() => this.#end(sealed));
      // Who does not look at it, does not care how it ends.
      reply.catch(() => undefined);
      return { ...receipt, nonce: sealed.nonce, reply };
    } catch (error) {
      this.#deadline.clear();
      throw error;
    }
  }

  async #send(sealed: SealedMessage): Promise<{ readonly sealed: SealedMessage; readonly receipt: SentReceipt }> {
    const { genesisHash, onNewerKey } = this.#options;
    const { to } = this.#request;
    try {
      return { sealed, receipt: await this.#carry(sealed) };
    } catch (error) {
      await this.#forget(sealed);
      const used = this.#peer().current;
      const newer = newerKey(error, { genesisHash, identity: to, used });
      if (newer === undefined) throw this.#reason(error);
      await onNewerKey?.(to, newer);
      // The nonce stays, so that one of the two counts.
      const again = await this.#seal({ nonce: sealed.nonce, recipientKey: newer.ecdhKey });
      try {
        return { sealed: again, receipt: await this.#carry(again) };
      } catch (failure) {
        await this.#forget(again);
        throw this.#reason(failure);
      }
    }
  }

  #seal(fixed: { readonly nonce?: bigint; readonly recipientKey?: Uint8Array } = {}): Promise<SealedMessage> {
    this.#deadline.signal.throwIfAborted();
    const { to, body } = this.#request;
    return sealMessage(this.#options, { to, body, freshKey: { keepMs: this.#timeoutMs }, ...fixed });
  }

  async #carry({ envelope }: SealedMessage): Promise<SentReceipt> {
    const { vault, genesisHash, client, forwarders = [] } = this.#options;
    const signed = await signMessage(vault, genesisHash, envelope);
    return client.send(signed, [...this.#peer().endpoints, ...forwarders], { signal: this.#deadline.signal });
  }

  #peer(): NonNullable<ReturnType<PeerDirectory['get']>> {
    const { to } = this.#request;
    const peer = this.#options.directory.get(to);
    if (peer === undefined) throw new RelayError('unknown-recipient', { details: { id: to } });
    if (peer.endpoints.length === 0)
      throw new RelayError('recipient-unreachable', { details: { recipient: to, reason: 'it has none on chain' } });
    return peer;
  }

  async #answer({ envelope, messageId }: SealedMessage, { endpoint, status }: SentReceipt): Promise<Reply> {
    const { client, vault, genesisHash } = this.#options;
    const { to } = this.#request;
    try {
      return await client.awaitReply({
        url: endpoint,
        ...(mayBeHandedOn(status) && { handedOn: { to, endpoints: this.#peer().endpoints } }),
        identity: vault.identity,
        sign: (login) => vault.sign(login),
        senderKey: senderKeyOf(envelope),
        signal: this.#deadline.signal,
        open: (signed) => readReply(signed, { vault, genesisHash, from: to, inReplyTo: messageId }),
      });
    } catch (error) {
      throw this.#reason(error);
    }
  }

  async #end(sealed: SealedMessage): Promise<void> {
    this.#deadline.clear();
    await this.#forget(sealed);
  }

  // What nobody waits for shall not be readable later. A vault that is closed or away has forgotten by itself.
  async #forget({ envelope }: SealedMessage): Promise<void> {
    await this.#options.vault.forgetFresh(senderKeyOf(envelope)).catch(() => undefined);
  }

  /** The end of the time or of the caller's patience, where that is what stopped the work. */
  #reason(error: unknown): unknown {
    const { signal } = this.#deadline;
    return signal.aborted ? signal.reason : error;
  }
}

function senderKeyOf(envelope: Uint8Array): Uint8Array {
  return decodeV1(envelope).header.senderKey;
}

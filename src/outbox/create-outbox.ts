import type { Account, Chain, Finality } from '../chain/index.ts';
import { checkValue, isBigint, isRelayError, RelayError } from '../errors/index.ts';
import { toHex, topicOf, type Hex } from '../codec/index.ts';
import { rememberKey } from '../worker-state/index.ts';
import { LinkedAbort, pause, tell } from '../signals/index.ts';
import { feeOf, payloadBytes } from './batch.ts';
import { ChainPoster } from './chain-poster.ts';
import { ChainStore } from './chain-store.ts';
import { checkMaxFee, type MessageRecord } from './message-record.ts';
import type { OffChainCarrier } from './off-chain-carrier.ts';
import type {
  Arrival,
  CancelOptions,
  Outbox,
  OutboxEntry,
  PhalaCommand,
  Posted,
  Receipt,
  RetryOptions,
  SendMessage,
} from './outbox.ts';
import type { ReplyNotice } from './reply-notice.ts';
import { RelayTransport } from './relay-transport.ts';
import { RunningQueue, type QueueOptions } from './running-queue.ts';
import { sealCommand } from './seal-command.ts';
import type { SendId } from './send-id.ts';
import type { ChainWork } from './work.ts';

// Call, signature, era, nonce and tip around the payload, with room to spare.
const extrinsicOverhead = 1_024;
/** Of what an extrinsic can carry. */
const tipsEnd = 2n ** 128n;
/** Before heads are followed again. */
const followAgainMs = 1_000;

export interface OutboxOptions extends QueueOptions {
  readonly chain: Chain;
  /** Signs and pays for extrinsics: with it, whoever sends by auto agrees to fees. Without it nothing goes on chain. */
  readonly account?: Account;
  /** The way off chain. Without it everything goes on chain. */
  readonly carrier?: OffChainCarrier;
  /** For each extrinsic, above its fee, to go first where blocks are full; in the smallest unit. Default 0. */
  readonly tip?: bigint;
  /** Most that one message may cost on chain, in the smallest unit, tip left out. Default: any. */
  readonly maxFee?: bigint;
  /**
   * Told what is worth knowing and holds nothing up, once each: other-account, of an account for which messages wait that
   * this outbox leaves where they are; fate-unknown, of messages that go again though they may have come in where no node
   * has the blocks any more.
   */
  readonly onNotice?: (notice: RelayError) => void;
}

/** A queue that sends what was put into it as soon as it is started, in order, oldest first. `directory`: WorkerState. Throws bad-value. */
export function createOutbox(options: OutboxOptions): Outbox {
  const { tip = 0n, maxFee } = options;
  checkValue('tip', isBigint(tip) && tip >= 0n && tip < tipsEnd, 'a bigint from 0 to 2^128 - 1');
  checkMaxFee(maxFee);
  return new StoredOutbox(options);
}

class StoredOutbox implements Outbox {
  readonly #options: OutboxOptions;
  readonly #queue: RunningQueue;
  readonly #work: Pick<ChainWork, 'chain' | 'account' | 'vault' | 'signal' | 'now' | 'setback'>;
  readonly #otherAccounts = new Set<Hex>();
  #following: Promise<unknown> | undefined;

  constructor(options: OutboxOptions) {
    const { chain, carrier, store, tip = 0n } = options;
    this.#options = options;
    const otherAccount = this.#noteAccount.bind(this);
    const notice = this.#note.bind(this);
    let isChainStuck = false;
    let relayTransport: RelayTransport | undefined;
    this.#queue = new RunningQueue({ ...options, genesisHash: chain.genesisHash, hasCarrier: carrier !== undefined }, [
      (work) =>
        (relayTransport = new RelayTransport({
          ...{ ...work, carrier },
          onNewerKey: (to, key) => rememberKey(chain, to, key, store),
          isChainStuck: () => isChainStuck || work.account === undefined,
        })),
      (work, pauseChain) => {
        const stuck = (): void => {
          isChainStuck = true;
          relayTransport?.lookAtChainSide();
        };
        return new ChainPoster({
          ...{
            ...work,
            chain,
            chainStore: new ChainStore(work.store),
            tip,
            notice,
            otherAccount,
            stuck,
            pause: pauseChain,
          },
          released: () => relayTransport?.lookAtChainSide(),
          unstuck: () => {
            isChainStuck = false;
          },
          setback: (error) => {
            work.setback(error);
            pauseChain();
            stuck();
          },
        });
      },
    ]);
    this.#work = { ...this.#queue.work, chain };
  }

  send(
    message: (SendMessage & { readonly via: 'chain' }) | PhalaCommand,
    signal?: AbortSignal,
  ): Promise<Receipt<Arrival & Posted>>;
  send(message: SendMessage, signal?: AbortSignal): Promise<Receipt>;
  send(message: SendMessage | PhalaCommand, signal?: AbortSignal): Promise<Receipt> {
    if (message.suite === 'phala') return this.#sendCommand(message, signal);
    const { maxFee } = this.#options;
    return this.#queue.send(maxFee === undefined ? message : { maxFee, ...message }, signal, (record, ended) =>
      this.#checkSize(record, ended),
    );
  }

  receipt(sendId: SendId): Promise<Receipt | undefined> {
    return this.#queue.receipt(sendId);
  }

  entries(): AsyncIterable<OutboxEntry> {
    return this.#queue.entries();
  }

  waitingOffChain(): AsyncIterable<SendId> {
    return this.#queue.waitingOffChain();
  }

  retry(sendId: SendId, options?: RetryOptions): Promise<void> {
    return this.#queue.retry(sendId, options);
  }

  cancel(sendId: SendId, options?: CancelOptions): Promise<void> {
    return this.#queue.cancel(sendId, options);
  }

  noteReply(reply: ReplyNotice): Promise<boolean> {
    return this.#queue.noteReply(reply);
  }

  tryAgain(): void {
    this.#queue.tryAgain();
  }

  async estimateFee(bodyBytes: number, as: 'worker' | 'account' = 'worker', signal?: AbortSignal): Promise<bigint> {
    checkValue('bodyBytes', Number.isSafeInteger(bodyBytes) && bodyBytes >= 0, 'a number from 0 on');
    using ended = new LinkedAbort(this.#work.signal, signal);
    await this.#checkSize({ suite: 'v1', bodyBytes }, ended.signal);
    if (ended.signal.aborted) throw new RelayError('aborted');
    const destination = topicOf(this.#work.vault.identity);
    const bytes = payloadBytes({ suite: 'v1', bodyBytes });
    return await feeOf({ ...this.#work, signal: ended.signal }, { as, destination, bytes });
  }

  async start(): Promise<void> {
    await this.#queue.start();
    this.#following ??= Promise.all((['finalized', 'best'] as const).map((finality) => this.#follow(finality)));
  }

  async stop(): Promise<void> {
    await this.#queue.stop();
    await this.#following;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #sendCommand(command: PhalaCommand, given: AbortSignal | undefined): Promise<Receipt> {
    const { account } = this.#options;
    if (account === undefined) throw new RelayError('no-account');
    using ended = new LinkedAbort(this.#work.signal, given);
    const { signal } = ended;
    const payload = await sealCommand(this.#work, command, signal);
    if (signal.aborted) throw new RelayError('aborted');
    const { topic, as = 'worker', maxFee = this.#options.maxFee } = command;
    const record: MessageRecord = {
      ...{ suite: 'phala', to: toHex(topic), as, via: 'chain', nonce: 0n, bodyBytes: payload.length, maxFee },
      ...{
        queuedAt: this.#work.now(),
        freshKey: false,
        readReceipt: false,
        deliveryReceipt: false,
        progress: { state: 'queued' },
      },
      ...(as === 'account' ? { account: account.id } : {}),
    };
    await this.#checkSize(record, signal);
    return await this.#queue.append({ record, body: payload, route: as });
  }

  #note(notice: RelayError): void {
    tell(() => this.#options.onNotice?.(notice));
  }

  #noteAccount(queuedBy: Hex): void {
    const { account } = this.#options;
    if (account === undefined || this.#otherAccounts.has(queuedBy)) return;
    this.#otherAccounts.add(queuedBy);
    this.#note(new RelayError('other-account', { details: { queuedBy, account: account.id } }));
  }

  /** Each new head may change what is possible; where the stream of them fails it is taken up again. */
  async #follow(finality: Finality): Promise<void> {
    const { signal } = this.#work;
    while (!signal.aborted)
      try {
        for await (const _ of this.#options.chain.headEvents({ finality }, signal)) this.#queue.resume();
      } catch (error) {
        this.#work.setback(error);
        if (isRelayError(error, 'chain-stopped')) return;
        await pause(followAgainMs, signal);
      }
  }

  /** Throws too-large-for-chain. */
  async #checkSize(record: Pick<MessageRecord, 'suite' | 'bodyBytes'>, signal: AbortSignal): Promise<void> {
    const { chain, account } = this.#options;
    const bytes = payloadBytes(record);
    if (bytes <= chain.info.maxExtrinsicBytes - extrinsicOverhead) return;
    // An upgrade of the runtime may have made room for it. Out of reach: by what was last known.
    const room = account && (await chain.batchRoom('push-message', account, signal).catch(() => undefined));
    if (signal.aborted) throw new RelayError('aborted');
    const limit = (room ?? chain.info).maxExtrinsicBytes - extrinsicOverhead;
    if (bytes > limit) throw new RelayError('too-large-for-chain', { details: { bytes, limit } });
  }
}

import { nuid, type NatsConnection } from '@nats-io/transport-node';
import type { Hex } from '../../codec/index.ts';
import { asRelayError, checkU64, checkValue, RelayError } from '../../errors/index.ts';
import { checkTimer, tell } from '../../signals/index.ts';
import { checkQuota, defaultQuota, trialBytes, type Origin } from '../mail-quota.ts';
import { checkMailTimes, defaultTimes, warnOfFailure } from '../mail-store.ts';
import type {
  Appended,
  Mail,
  MailboxStats,
  MailStore,
  MailStoreTotals,
  ReadLimit,
  Whereabouts,
} from '../mail-store.ts';
import { Wakers } from '../wakers.ts';
import { Appender } from './append.ts';
import { Census } from './census.ts';
import { Claims } from './claims.ts';
import { connectNats } from './connect.ts';
import { Delivered } from './delivered.ts';
import { checkStoreName } from './layout.ts';
import { Link } from './link.ts';
import { MailboxStates } from './mailbox-states.ts';
import { Mailboxes } from './mailboxes.ts';
import { Notices, type Notice } from './notices.ts';
import type { JetStreamMailStoreOptions } from './options.ts';
import { MailReader } from './read.ts';
import { Remover } from './remove.ts';
import { ReplyBoxes } from './reply-boxes.ts';
import { Shards } from './shard.ts';
import { senderToken } from './shares.ts';
import { StrangerRoom } from './stranger-room.ts';
import { tryStreams } from './trial.ts';
import { openStreams, type Streams } from './streams.ts';

// A stream holds the last trial until the next is stored, and some of what is around them.
const leastTrials = 3;
const defaults = { shards: 8, timeoutMs: 15_000 };
// A wake-up that was lost is made good after this at most.
const wakeEveryMs = 30_000;
const wakeSlices = 30;
const greatestCursor = BigInt(Number.MAX_SAFE_INTEGER);

/** Throws nats-failed, bad-value, bad-setting. */
export async function openStore(options: JetStreamMailStoreOptions): Promise<MailStore> {
  const { name, nats, shards = defaults.shards, replicas, quota, timeoutMs = defaults.timeoutMs } = options;
  const dedupeMs = options.dedupeMs ?? defaultTimes.dedupeMs;
  const random = options.random ?? ((length) => crypto.getRandomValues(new Uint8Array(length)));
  checkStoreName(name);
  checkMailTimes(options);
  checkTimer('timeoutMs', timeoutMs);
  checkValue('shards', Number.isSafeInteger(shards) && shards >= 1, '1 or more');
  checkQuota(quota, shards * leastTrials * trialBytes);
  const connection = await connectNats(nats);
  try {
    const maxTotalBytes = quota?.maxTotalBytes;
    const streams = await openStreams(connection, {
      ...{ name, shards, replicas, maxTotalBytes, dedupeMs, random, timeoutMs },
    });
    return new JetStreamMailStore(connection, streams, options);
  } catch (error) {
    await connection.close();
    throw error;
  }
}

class JetStreamMailStore implements MailStore {
  readonly generation: Hex;
  readonly dedupeMs: number;
  readonly ended: Promise<RelayError>;
  readonly #link: Link;
  readonly #shards: Shards;
  readonly #mailboxes: Mailboxes;
  readonly #appender: Appender;
  readonly #reader: MailReader;
  readonly #remover: Remover;
  readonly #census: Census;
  readonly #notices: Notices;
  readonly #claims: Claims;
  readonly #wakers = new Wakers();
  /** Cursors are not told of: another process may not say which. */
  readonly #acknowledged = new Wakers();
  readonly #now: () => number;
  readonly #retentionMs: number;
  readonly #onBackgroundFailure: (error: RelayError) => void;
  readonly #timers: readonly ReturnType<typeof setInterval>[];
  readonly #running = new Set<Promise<unknown>>();
  #wakeSlice = 0;
  #sweeping: Promise<{ readonly expired: number }> | undefined;
  #closing: Promise<void> | undefined;

  constructor(connection: NatsConnection, { shards, generation }: Streams, options: JetStreamMailStoreOptions) {
    const { name, now = Date.now, timeoutMs = defaults.timeoutMs } = options;
    const { retentionMs, dedupeMs, sweepIntervalMs } = { ...defaultTimes, ...options };
    const writer = nuid.next();
    this.generation = generation;
    this.dedupeMs = dedupeMs;
    this.#now = now;
    this.#retentionMs = retentionMs;
    this.#onBackgroundFailure = options.onBackgroundFailure ?? warnOfFailure;
    let end: (error: RelayError) => void = () => undefined;
    this.ended = new Promise((resolve) => (end = resolve));
    this.#link = new Link(
      connection,
      () => {
        this.#lookAgain();
      },
      end,
    );
    this.#shards = new Shards(this.#link, shards, timeoutMs);
    this.#mailboxes = new Mailboxes(this.#shards, { dedupeMs, now });
    this.#census = new Census(this.#shards);
    this.#notices = new Notices(this.#link, {
      ...{ name, writer },
      receive: (recipient, notice) => {
        this.#receive(recipient, notice);
      },
      failed: this.#failed('hear of other processes'),
    });
    const known = { shards: this.#shards, mailboxes: this.#mailboxes, now };
    const states = new MailboxStates({ ...known, retentionMs });
    const replyBoxes = new ReplyBoxes({
      ...{ shards: this.#shards, mailboxes: this.#mailboxes, retentionMs },
      drop: (recipient, sender) => this.#remover.drop(recipient, sender),
    });
    const parts = { ...known, states, replyBoxes, delivered: new Delivered(), dedupeMs };
    const quota = { ...defaultQuota, ...options.quota };
    const strangerRoom = new StrangerRoom(this.#shards.leader, shards.length, quota);
    this.#appender = new Appender({ ...parts, writer, quota, strangerRoom });
    this.#reader = new MailReader({ ...parts, timeoutMs });
    this.#remover = new Remover({
      ...parts,
      removed: (recipient, changes) => {
        this.#notices.changed(recipient, changes);
        this.#acknowledged.wake(recipient);
      },
    });
    this.#claims = new Claims({
      ...known,
      writer,
      tell: (recipient, mark) => {
        this.#notices.claimed(recipient, mark);
      },
    });
    this.#timers = [
      setInterval(() => {
        this.sweep().catch(this.#failed('end the retention of messages'));
      }, sweepIntervalMs),
      setInterval(() => {
        this.#wakeSome();
      }, wakeEveryMs / wakeSlices),
    ];
    for (const timer of this.#timers) timer.unref();
  }

  append(recipient: Hex, messageId: Hex, bytes: Uint8Array, origin?: Origin): Promise<Appended> {
    return this.#run(async () => {
      const appended = await this.#appender.append(recipient, messageId, bytes, origin);
      if (!appended.duplicate) {
        const sender = origin === undefined ? '' : senderToken(origin.sender);
        this.#notices.changed(recipient, [{ sender, count: 1, bytes: bytes.length }], Number(appended.cursor));
        this.#wakers.wake(recipient);
      }
      return appended;
    });
  }

  async read(recipient: Hex, after: bigint, limit: ReadLimit = {}): Promise<Mail[]> {
    checkU64('after', after);
    if (after >= greatestCursor) return [];
    return this.#run(() => this.#reader.read(recipient, Number(after), limit));
  }

  async ack(recipient: Hex, upTo: bigint): Promise<void> {
    checkU64('upTo', upTo);
    const cursor = Number(upTo < greatestCursor ? upTo : greatestCursor);
    return this.#run(() => this.#remover.acknowledge(recipient, cursor));
  }

  stats(recipient: Hex): Promise<MailboxStats> {
    return this.#run(async () => {
      const { stream, mail } = this.#shards.of(recipient);
      const mailbox = await this.#mailboxes.get(recipient);
      const [newest] = await Promise.all([
        this.#shards.leader.message(stream, { last_by_subj: mail }),
        this.#mailboxes.reloadState(recipient, mailbox),
      ]);
      const { count, bytes, acknowledged } = mailbox;
      const last = Math.max(newest?.sequence ?? 0, acknowledged, mailbox.last);
      return { count, bytes, acknowledged: BigInt(acknowledged), last: BigInt(last) };
    });
  }

  find(recipient: Hex, messageId: Hex, sentAt: number): Promise<Whereabouts> {
    return this.#run(async () => {
      const isAcknowledged = await this.#appender.isGone(recipient, messageId);
      // Of what is there its id tells no sequence.
      return { cursor: undefined, isAcknowledged: isAcknowledged && this.#now() < sentAt + this.#retentionMs };
    });
  }

  onAcknowledged(recipient: Hex, told: (upTo: undefined) => void): () => void {
    return this.#acknowledged.add(recipient, () => {
      told(undefined);
    });
  }

  totals(): Promise<MailStoreTotals> {
    return this.#run(() => this.#census.totals());
  }

  check(): Promise<void> {
    return this.#run(() => tryStreams(this.#shards));
  }

  recipients(): AsyncIterable<Hex> {
    return this.#census.recipients();
  }

  subscribe(recipient: Hex, wake: () => void): () => void {
    return this.#wakers.add(recipient, wake);
  }

  claim(recipient: Hex, lost: () => void): Promise<() => void> {
    return this.#run(() => this.#claims.claim(recipient, lost));
  }

  sweep(): Promise<{ readonly expired: number }> {
    this.#sweeping ??= this.#run(async () => ({
      expired: await this.#remover.expire(this.#now() - this.#retentionMs),
    })).finally(() => {
      this.#sweeping = undefined;
    });
    return this.#sweeping;
  }

  close(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    const { connection } = this.#link;
    await Promise.allSettled(this.#running);
    this.#notices.close();
    // Of notices, which nobody counts on.
    if (this.#link.isUp) await connection.flush().catch(() => undefined);
    await this.#link.close();
  }

  /** What runs is waited for by close(). */
  #run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#closing !== undefined)
      return Promise.reject(
        new RelayError('mail-store-failed', { details: { action: 'do more', reason: 'it is closed' } }),
      );
    const running = work().finally(() => this.#running.delete(running));
    this.#running.add(running);
    return running;
  }

  #failed(action: string): (error: unknown) => void {
    return (error) => {
      // What fails while it closes is no news.
      if (this.#closing !== undefined) return;
      const failure = asRelayError(error, 'mail-store-failed', { action });
      tell(() => this.#onBackgroundFailure(failure));
    };
  }

  #receive(recipient: Hex, notice: Notice): void {
    if (notice.type === 'claimed') {
      this.#claims.check(recipient, notice.mark).catch(this.#failed('look for another reader'));
      return;
    }
    if (notice.changes === undefined) this.#mailboxes.forget(recipient);
    else this.#mailboxes.change(recipient, notice.changes, notice.last);
    if (notice.last !== 0) this.#wakers.wake(recipient);
    if (notice.changes?.every(({ count }) => count > 0) !== true) this.#acknowledged.wake(recipient);
  }

  #wakeSome(): void {
    this.#wakeSlice = (this.#wakeSlice + 1) % wakeSlices;
    for (const wakers of [this.#wakers, this.#acknowledged])
      wakers.recipients().forEach((recipient, at) => {
        if (at % wakeSlices === this.#wakeSlice) wakers.wake(recipient);
      });
  }

  /** Whatever was said while there was no connection was not heard. */
  #lookAgain(): void {
    this.#mailboxes.forgetAll();
    this.#claims.checkAll().catch(this.#failed('look for other readers'));
    for (const wakers of [this.#wakers, this.#acknowledged])
      for (const recipient of wakers.recipients()) wakers.wake(recipient);
  }
}

import { toHex } from '../codec/index.ts';
import { isRelayError } from '../errors/index.ts';
import { letGo } from './let-go.ts';
import type { OffChainCarrier, ReplyPlace } from './off-chain-carrier.ts';
import { waitedUntil } from './asked-read.ts';
import { Change, type Stored } from './outbox-change.ts';
import type { SendId } from './send-id.ts';
import type { Work } from './work.ts';

/** Places that are waited at at a time; where there are more, they take turns. */
const mostAtOnce = 32;
/** Of one place, where others wait for theirs. */
const turnMs = 15_000;
/** Before a place is tried again where waiting failed; doubles. */
const retryMs = 1_000;
/** Longest of these pauses. */
const maxRetryMs = 60_000;
/** Between looks for what nobody can answer any more. */
const sweepMs = 3_600_000;

/** Waiting there again is in vain. */
const final: ReadonlySet<string> = new Set(['login-refused', 'endpoint-refused', 'wrong-chain', 'client-stopped']);

interface Turn {
  readonly ended: AbortController;
  readonly over: Promise<void>;
  /** When others may have it, Unix ms. */
  readonly until: number;
}

/** Answers to one key at one endpoint. */
interface Box {
  readonly place: ReplyPlace;
  /** Messages that are not known to be read. */
  readonly open: Set<SendId>;
  /** The latest until when one of them is waited for, Unix ms. */
  until: number;
  /** In a row. */
  failures: number;
  /** After a failure, Unix ms. */
  restsUntil: number;
  turn: Turn | undefined;
}

/** Waits at relays for the word that messages were read, where it comes to the key that they are sealed from. */
export class ReadWatch {
  readonly #work: Work;
  readonly #carrier: OffChainCarrier | undefined;
  /** In the order of their turns. */
  readonly #boxes = new Map<string, Box>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #sweepsAt = 0;
  #sweeping: Promise<void> | undefined;

  constructor(work: Work, carrier: OffChainCarrier | undefined) {
    this.#work = work;
    this.#carrier = carrier;
  }

  /** Takes up what earlier processes asked for. */
  async load(): Promise<void> {
    const { store } = this.#work;
    for (const { sendId } of await store.allAsked()) {
      const stored = await store.get(sendId);
      if (stored !== undefined) await this.#add(stored);
    }
    this.#look();
  }

  /** A message is off chain: its recipient may say where it was taken that it was read. */
  async carried(stored: Stored): Promise<void> {
    await this.#add(stored);
    this.#look();
  }

  /** A message was read, or is forgotten: no word of it is waited for. */
  read(sendId: SendId): void {
    for (const [name, box] of this.#boxes) if (box.open.delete(sendId) && box.open.size === 0) this.#end(name, box);
  }

  /** What failed may succeed now. */
  hurry(): void {
    for (const box of this.#boxes.values()) box.restsUntil = 0;
    this.#look();
  }

  /** The signal of the outbox has fired. */
  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    const boxes = [...this.#boxes];
    for (const [name, box] of boxes) this.#end(name, box);
    await Promise.all([this.#sweeping, ...boxes.map(([, { turn }]) => turn?.over)]);
  }

  async #add({ id, record }: Stored): Promise<void> {
    const { progress, readReceipt } = record;
    if (this.#carrier?.awaitReplies === undefined || !readReceipt || progress.state !== 'relayed') return;
    const asked = await this.#work.store.asked(progress.messageId);
    if (asked === undefined || (await this.#work.store.read(id)) !== undefined) return;
    const { senderKey } = asked;
    const { endpoint, status } = progress;
    const handedOn = status === 'forwarded' || status === 'duplicate' ? { handedOnTo: record.to } : {};
    const name = `${endpoint} ${toHex(senderKey)} ${handedOn.handedOnTo ?? ''}`;
    const box: Box = this.#boxes.get(name) ?? {
      ...{
        place: { endpoint, senderKey, ...handedOn },
        open: new Set(),
        until: 0,
        failures: 0,
        restsUntil: 0,
        turn: undefined,
      },
    };
    this.#boxes.set(name, box);
    box.open.add(id);
    box.until = Math.max(box.until, waitedUntil(asked, record));
  }

  #end(name: string, box: Box): void {
    this.#boxes.delete(name);
    box.turn?.ended.abort();
  }

  /** Ends what is over, gives turns to whose turn it is, and comes again when that may change. */
  #look(): void {
    clearTimeout(this.#timer);
    if (this.#work.signal.aborted) return;
    const now = this.#work.now();
    if (now >= this.#sweepsAt) this.#beginSweep(now);
    for (const [name, box] of this.#boxes) if (box.until <= now) this.#end(name, box);
    const all = [...this.#boxes];
    const here = all.flatMap(([, { turn }]) => turn ?? []);
    const ready = all.filter(([, { turn, restsUntil }]) => turn === undefined && restsUntil <= now);
    const free = mostAtOnce - here.length;
    for (const [name, box] of ready.slice(0, Math.max(0, free))) this.#begin(name, box, now);
    const left = Math.max(0, ready.length - free);
    for (const { ended } of here.filter(({ until }) => until <= now).slice(0, left)) ended.abort();

    const resting = all.filter(([, { restsUntil }]) => restsUntil > now).map(([, { restsUntil }]) => restsUntil);
    const turns = left > 0 ? here.filter(({ ended }) => !ended.signal.aborted).map(({ until }) => until) : [];
    const next = Math.min(this.#sweepsAt, ...all.map(([, { until }]) => until), ...resting, ...turns);
    this.#timer = setTimeout(
      () => {
        this.#look();
      },
      Math.max(0, next - now) + 1,
    );
    letGo(this.#timer);
  }

  #begin(name: string, box: Box, now: number): void {
    const ended = new AbortController();
    const take = this.#work.noteReply.bind(this.#work);
    const waiting = this.#carrier?.awaitReplies?.(box.place, take, ended.signal) ?? Promise.resolve();
    const until = now + turnMs;
    const over = waiting
      .catch((error: unknown) => {
        if (ended.signal.aborted) return;
        if (this.#work.now() >= until) box.failures = 0;
        if (isRelayError(error) && final.has(error.code)) this.#end(name, box);
        this.#work.setback(error);
      })
      .finally(() => {
        if (!ended.signal.aborted) box.restsUntil = this.#work.now() + backoffMs(box.failures++);
        box.turn = undefined;
        // Last in the order, unless it has ended.
        if (this.#boxes.get(name) === box && this.#boxes.delete(name)) this.#boxes.set(name, box);
        this.#look();
      });
    box.turn = { ended, over, until };
  }

  #beginSweep(now: number): void {
    if (this.#sweeping !== undefined) return;
    this.#sweepsAt = now + sweepMs;
    this.#sweeping = this.#sweep(now)
      .catch(this.#work.setback)
      .finally(() => {
        this.#sweeping = undefined;
      });
  }

  /** Forgets by which ids messages could be answered that are gone, or that were waited for long enough. */
  async #sweep(now: number): Promise<void> {
    const { store } = this.#work;
    const change = new Change();
    for (const asked of await store.allAsked()) {
      const stored = await store.get(asked.sendId);
      if (stored === undefined || waitedUntil(asked, stored.record) <= now) change.unask(asked.messageId);
    }
    if (change.writes.length > 0) await store.commit(change);
  }
}

function backoffMs(failures: number): number {
  return Math.min(maxRetryMs, retryMs * 2 ** failures);
}

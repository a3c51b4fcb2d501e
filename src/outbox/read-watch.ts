import { toHex } from '../codec/index.ts';
import { letGo } from '../signals/index.ts';
import type { OffChainCarrier } from './off-chain-carrier.ts';
import { waitedUntil } from './asked-read.ts';
import { Change, type Stored } from './outbox-change.ts';
import type { SendId } from './send-id.ts';
import { WaitsInTurn, type Wait } from './waits-in-turn.ts';
import type { Work } from './work.ts';

/** Places that are waited at at a time. */
const mostAtOnce = 32;
/** Between looks for what nobody can answer any more. */
const sweepMs = 3_600_000;

/** Answers to one key at one endpoint. */
interface Box extends Wait {
  /** Messages that are not known to be read. */
  readonly open: Set<SendId>;
}

/** Waits at relays for the word that messages were read, where it comes to the key that they are sealed from. */
export class ReadWatch {
  readonly #work: Work;
  readonly #carrier: OffChainCarrier | undefined;
  /** By place. */
  readonly #boxes: WaitsInTurn<string, Box>;
  #sweeper: ReturnType<typeof setInterval> | undefined;
  #sweepsAt = 0;
  #sweeping: Promise<void> | undefined;

  constructor(work: Work, carrier: OffChainCarrier | undefined) {
    this.#work = work;
    this.#carrier = carrier;
    this.#boxes = new WaitsInTurn(work, mostAtOnce);
  }

  /** Takes up what earlier processes asked for. */
  async load(): Promise<void> {
    const { store } = this.#work;
    for (const { sendId } of await store.allAsked()) {
      const stored = await store.get(sendId);
      if (stored !== undefined) await this.#add(stored);
    }
    this.#look();
    this.#sweeper = setInterval(() => {
      this.#look();
    }, sweepMs);
    letGo(this.#sweeper);
  }

  /** A message is off chain: its recipient may say where it was taken that it was read. */
  async carried(stored: Stored): Promise<void> {
    await this.#add(stored);
    this.#look();
  }

  /** A message was read, or is forgotten: no word of it is waited for. */
  read(sendId: SendId): void {
    for (const [name, { open }] of this.#boxes.entries())
      if (open.delete(sendId) && open.size === 0) this.#boxes.end(name);
  }

  /** What failed may succeed now. */
  tryAgain(): void {
    this.#boxes.tryAgain();
    this.#look();
  }

  /** The signal of the outbox has fired. */
  async stop(): Promise<void> {
    clearInterval(this.#sweeper);
    await Promise.all([this.#sweeping, this.#boxes.stop()]);
  }

  async #add({ id, record }: Stored): Promise<void> {
    const { progress, readReceipt, to } = record;
    const carrier = this.#carrier;
    if (carrier?.awaitReplies === undefined || !readReceipt || progress.state !== 'relayed') return;
    const asked = await this.#work.store.asked(progress.messageId);
    if (asked === undefined || (await this.#work.store.read(id)) !== undefined) return;
    const { senderKey } = asked;
    const { endpoint, status } = progress;
    const handedOn = status === 'forwarded' || status === 'duplicate' ? { handedOnTo: to } : {};
    const place = { endpoint, senderKey, ...handedOn };
    const name = `${endpoint} ${toHex(senderKey)} ${handedOn.handedOnTo ?? ''}`;
    const take = this.#work.noteReply.bind(this.#work);
    let box = this.#boxes.get(name);
    if (box === undefined) {
      const wait = async (signal: AbortSignal): Promise<void> => carrier.awaitReplies?.(place, take, signal);
      this.#boxes.add(name, (box = { open: new Set(), until: 0, wait }));
    }
    box.open.add(id);
    box.until = Math.max(box.until, waitedUntil(asked, record));
  }

  #look(): void {
    this.#boxes.look();
    const now = this.#work.now();
    if (this.#work.signal.aborted || now < this.#sweepsAt || this.#sweeping !== undefined) return;
    this.#sweepsAt = now + sweepMs;
    this.#sweeping = this.#sweep(now)
      .catch(this.#work.setback)
      .finally(() => {
        this.#sweeping = undefined;
        this.#look();
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

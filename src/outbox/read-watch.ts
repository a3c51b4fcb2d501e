import { toHex } from '../codec/index.ts';
import { letGo } from './let-go.ts';
import type { OffChainCarrier } from './off-chain-carrier.ts';
import { Change, type Stored } from './outbox-store.ts';
import type { SendId } from './send-id.ts';
import type { Work } from './work.ts';

/** As long as relays keep answers to a key (docs/relay.md). */
const patienceMs = 7 * 86_400_000;

/** Answers to one key at one endpoint. */
interface Box {
  readonly open: Set<SendId>;
  readonly ended: AbortController;
  readonly waiting: Promise<void>;
  timer: ReturnType<typeof setTimeout>;
}

/** Waits at relays for the word that messages were read, where it comes to the key that they are sealed from. */
export class ReadWatch {
  readonly #work: Work;
  readonly #carrier: OffChainCarrier | undefined;
  readonly #boxes = new Map<string, Box>();

  constructor(work: Work, carrier: OffChainCarrier | undefined) {
    this.#work = work;
    this.#carrier = carrier;
  }

  /** Takes up what earlier processes asked for, and forgets what nobody knows any more. */
  async load(): Promise<void> {
    const { store } = this.#work;
    const change = new Change();
    for (const { sendId, messageId } of await store.allAsked()) {
      const stored = await store.get(sendId);
      if (stored === undefined) change.unask(messageId);
      else await this.carried(stored);
    }
    if (change.writes.length > 0) await store.commit(change);
  }

  /** A message is off chain: its recipient may say where it was taken that it was read. */
  async carried({ id, record }: Stored): Promise<void> {
    const { progress, readReceipt, queuedAt } = record;
    const leftMs = queuedAt + patienceMs - this.#work.now();
    if (!readReceipt || progress.state !== 'relayed' || leftMs <= 0) return;
    const asked = await this.#work.store.asked(progress.messageId);
    if (asked === undefined || (await this.#work.store.read(id)) !== undefined || this.#work.signal.aborted) return;
    const { senderKey } = asked;
    const box = this.#boxAt(progress.endpoint, senderKey);
    box?.open.add(id);
    if (box !== undefined) this.#endAfter(box, leftMs);
  }

  read(sendId: SendId): void {
    for (const { open, ended } of this.#boxes.values()) if (open.delete(sendId) && open.size === 0) ended.abort();
  }

  async stop(): Promise<void> {
    for (const { ended } of this.#boxes.values()) ended.abort();
    await Promise.all([...this.#boxes.values()].map(({ waiting }) => waiting));
  }

  #boxAt(endpoint: string, senderKey: Uint8Array): Box | undefined {
    const carrier = this.#carrier;
    if (carrier?.awaitReplies === undefined) return undefined;
    const name = `${endpoint} ${toHex(senderKey)}`;
    const known = this.#boxes.get(name);
    if (known?.ended.signal.aborted === false) return known;
    const ended = new AbortController();
    const take = this.#work.noteReply.bind(this.#work);
    const waiting = carrier
      .awaitReplies({ endpoint, senderKey }, take, ended.signal)
      .catch((error: unknown) => {
        if (!ended.signal.aborted) this.#work.setback(error);
      })
      .finally(() => {
        clearTimeout(box.timer);
        if (this.#boxes.get(name) === box) this.#boxes.delete(name);
      });
    const box: Box = { open: new Set(), ended, waiting, timer: setTimeout(() => undefined) };
    this.#boxes.set(name, box);
    return box;
  }

  /** Messages go in order, so the last one waits longest. */
  #endAfter(box: Box, ms: number): void {
    clearTimeout(box.timer);
    box.timer = setTimeout(() => {
      box.ended.abort();
    }, ms);
    letGo(box.timer);
  }
}

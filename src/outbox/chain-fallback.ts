import type { Hex } from '../codec/index.ts';
import { onChainSide } from './chain-side.ts';
import { isWaiting } from './message-record.ts';
import type { OffChainEntry } from './off-chain-entry.ts';
import { Change, type Stored } from './outbox-change.ts';
import type { SendId } from './send-id.ts';
import type { Work } from './work.ts';

const pageSize = 256;

/**
 * Messages that may go either way and wait on the chain's side. Those that no extrinsic carries can come back; by their
 * nonces their recipients take each once, whatever comes of a signature that was made of it there.
 */
export class ChainFallback {
  readonly #work: Work;
  /** Of each recipient. */
  #waiting = new Map<Hex, Set<SendId>>();
  /** Grows with each reason to ask the store, and up to which of them it was asked. */
  #reasons = 1;
  #asked = 0;

  constructor(work: Work) {
    this.#work = work;
  }

  /** What was under way there may not be any more. */
  lookAgain(): void {
    this.#reasons += 1;
  }

  /** Whether messages to this recipient may wait there. */
  mayHave(to: Hex): boolean {
    return this.#asked < this.#reasons || this.#waiting.has(to);
  }

  /** Those whom messages there are for. */
  async recipients(): Promise<Hex[]> {
    // What becomes free while the store is asked may be missed: then it is asked again, the next time.
    const reasons = this.#reasons;
    if (this.#asked < reasons) await this.#find();
    this.#asked = reasons;
    return [...this.#waiting.keys()];
  }

  /** False: another process has changed one of them, and none went. */
  async take(ids: readonly SendId[]): Promise<boolean> {
    const change = new Change();
    const going = await this.#get(ids);
    for (const stored of going) change.unqueue(stored, 'relay').queue(stored, 'worker');
    if (!(await this.#work.save(change, going, []))) return false;
    for (const { id, record } of going) this.#add(record.to, id);
    return true;
  }

  /** Those of a recipient that come back, `limit` at most, oldest first, each once it has its place off chain. */
  async *giveBack(to: Hex, limit = Infinity): AsyncGenerator<OffChainEntry> {
    const ids = [...(this.#waiting.get(to) ?? [])].sort((a, b) => (a < b ? -1 : 1));
    let left = limit;
    for (let at = 0; at < ids.length && left > 0; at += pageSize) {
      const page = ids.slice(at, at + pageSize);
      const { back, rest } = await this.#bring(page, left);
      left -= back.length;
      this.#remove(to, rest.length === 0 ? page : page.filter((id) => !rest.includes(id)));
      for (const { id } of back) yield { id, to, mayGoOnChain: true };
    }
  }

  /** In one transaction; again where something else changed meanwhile. */
  async #bring(ids: readonly SendId[], limit: number): Promise<{ readonly back: Stored[]; readonly rest: SendId[] }> {
    for (;;) {
      const { members, expectation } = await this.#work.store.inFlight();
      const free = (await this.#get(ids)).filter(({ id }) => !members.has(id));
      const back = free.slice(0, limit);
      const rest = free.slice(limit).map(({ id }) => id);
      if (back.length === 0) return { back, rest };
      const change = new Change().expect(expectation);
      for (const stored of back)
        change.progress(stored, { state: 'queued' }).unsign(stored.id).unqueue(stored, 'worker').queue(stored, 'relay');
      const statuses = back.map(({ id }) => [id, { state: 'queued' }] as const);
      if (await this.#work.save(change, back, statuses)) return { back, rest };
    }
  }

  async #get(ids: readonly SendId[]): Promise<Stored[]> {
    const found = await Promise.all(ids.map((id) => this.#work.store.get(id)));
    return found.filter((stored) => stored !== undefined).filter(isWaiting);
  }

  async #find(): Promise<void> {
    this.#waiting = new Map();
    for await (const { to, id } of onChainSide(this.#work.store)) this.#add(to, id);
  }

  #add(to: Hex, id: SendId): void {
    this.#waiting.set(to, (this.#waiting.get(to) ?? new Set()).add(id));
  }

  #remove(to: Hex, ids: readonly SendId[]): void {
    const waiting = this.#waiting.get(to);
    for (const id of ids) waiting?.delete(id);
    if (waiting?.size === 0) this.#waiting.delete(to);
  }
}

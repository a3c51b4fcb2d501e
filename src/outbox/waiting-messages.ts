import type { Hex } from '../codec/index.ts';
import type { OffChainEntry } from './off-chain-entry.ts';
import type { SendId } from './send-id.ts';

/** What waits for one recipient. */
interface RecipientQueue {
  readonly onlyOffChain: AscendingIds;
  readonly mayGoOnChain: AscendingIds;
  isTaken: boolean;
  isInTurn: boolean;
}

/** One whose turn it is. */
export interface NextMessage {
  readonly to: Hex;
  readonly id: SendId;
}

/**
 * Messages that wait off chain, by recipient: of each one the oldest first, recipients in turns. Some bytes for each message,
 * and no step that looks at more than one of them.
 */
export class WaitingMessages {
  readonly #queues = new Map<Hex, RecipientQueue>();
  readonly #turns = new Turns();

  /** Idempotent. */
  add({ id, to, mayGoOnChain }: OffChainEntry): void {
    const queue = this.#queues.get(to) ?? {
      ...{ onlyOffChain: new AscendingIds(), mayGoOnChain: new AscendingIds(), isTaken: false, isInTurn: false },
    };
    this.#queues.set(to, queue);
    (mayGoOnChain ? queue.mayGoOnChain : queue.onlyOffChain).add(id);
    this.#enqueue(to, queue);
  }

  /** The oldest of the recipient whose turn it is, which has no other turn until it is released. */
  take(): NextMessage | undefined {
    for (let to = this.#turns.take(); to !== undefined; to = this.#turns.take()) {
      const queue = this.#queues.get(to);
      if (queue === undefined) continue;
      queue.isInTurn = false;
      const id = leastOf(queue);
      queue.isTaken = id !== undefined;
      if (id !== undefined) return { to, id };
      this.#tidy(to, queue);
    }
    return undefined;
  }

  release(to: Hex): void {
    const queue = this.#queues.get(to);
    if (queue === undefined) return;
    queue.isTaken = false;
    this.#enqueue(to, queue);
    this.#tidy(to, queue);
  }

  /** It waits no more. */
  remove(to: Hex, id: SendId): void {
    const queue = this.#queues.get(to);
    if (queue === undefined) return;
    queue.onlyOffChain.remove(id);
    queue.mayGoOnChain.remove(id);
    this.#tidy(to, queue);
  }

  /** Those of a recipient that may go on chain as well, oldest first. */
  mayGoOnChain(to: Hex, limit: number): SendId[] {
    return this.#queues.get(to)?.mayGoOnChain.first(limit) ?? [];
  }

  #enqueue(to: Hex, queue: RecipientQueue): void {
    if (queue.isTaken || queue.isInTurn || leastOf(queue) === undefined) return;
    queue.isInTurn = true;
    this.#turns.add(to);
  }

  #tidy(to: Hex, queue: RecipientQueue): void {
    if (!queue.isTaken && !queue.isInTurn && leastOf(queue) === undefined) this.#queues.delete(to);
  }
}

function leastOf({ onlyOffChain: { least: a }, mayGoOnChain: { least: b } }: RecipientQueue): SendId | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return a < b ? a : b;
}

// Of what has gone in front, before the rest is moved up.
const mostGone = 1_024;

/** First in, first out. */
class Turns {
  #all: Hex[] = [];
  #gone = 0;

  add(to: Hex): void {
    this.#all.push(to);
  }

  take(): Hex | undefined {
    const to = this.#all[this.#gone];
    if (to === undefined) return undefined;
    if (++this.#gone >= mostGone && 2 * this.#gone > this.#all.length) {
      this.#all = this.#all.slice(this.#gone);
      this.#gone = 0;
    }
    return to;
  }
}

/** They come in ascending order and go from the front, but for a few. */
class AscendingIds {
  #all: SendId[] = [];
  #gone = 0;

  get least(): SendId | undefined {
    return this.#all[this.#gone];
  }

  first(limit: number): SendId[] {
    return this.#all.slice(this.#gone, this.#gone + limit);
  }

  /** Idempotent. */
  add(id: SendId): void {
    const last = this.#all.at(-1);
    if (this.least === undefined || last === undefined || id > last) {
      this.#all.push(id);
      return;
    }
    const at = this.#find(id);
    if (this.#all[at] !== id) this.#all.splice(at, 0, id);
  }

  remove(id: SendId): void {
    if (id === this.least) {
      this.#removeFirst();
      return;
    }
    const at = this.#find(id);
    if (this.#all[at] === id) this.#all.splice(at, 1);
  }

  #removeFirst(): void {
    if (++this.#gone < mostGone || 2 * this.#gone <= this.#all.length) return;
    this.#all = this.#all.slice(this.#gone);
    this.#gone = 0;
  }

  /** Where the first is that is no less. */
  #find(id: SendId): number {
    let [from, to] = [this.#gone, this.#all.length];
    while (from < to) {
      const middle = (from + to) >>> 1;
      if ((this.#all[middle] ?? id) < id) from = middle + 1;
      else to = middle;
    }
    return from;
  }
}

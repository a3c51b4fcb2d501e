import type { Hex } from '../codec/index.ts';
import type { OffChainEntry } from './off-chain-entry.ts';
import type { SendId } from './send-id.ts';

/** What waits for one recipient. */
interface Line {
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
  readonly #lines = new Map<Hex, Line>();
  readonly #turns = new Turns();

  /** Idempotent. */
  add({ id, to, mayGoOnChain }: OffChainEntry): void {
    const line = this.#lines.get(to) ?? {
      ...{ onlyOffChain: new AscendingIds(), mayGoOnChain: new AscendingIds(), isTaken: false, isInTurn: false },
    };
    this.#lines.set(to, line);
    (mayGoOnChain ? line.mayGoOnChain : line.onlyOffChain).add(id);
    this.#queue(to, line);
  }

  /** The oldest of the recipient whose turn it is, which has no other turn until it is released. */
  take(): NextMessage | undefined {
    for (let to = this.#turns.take(); to !== undefined; to = this.#turns.take()) {
      const line = this.#lines.get(to);
      if (line === undefined) continue;
      line.isInTurn = false;
      const id = leastOf(line);
      line.isTaken = id !== undefined;
      if (id !== undefined) return { to, id };
      this.#tidy(to, line);
    }
    return undefined;
  }

  release(to: Hex): void {
    const line = this.#lines.get(to);
    if (line === undefined) return;
    line.isTaken = false;
    this.#queue(to, line);
    this.#tidy(to, line);
  }

  /** It waits no more. */
  remove(to: Hex, id: SendId): void {
    const line = this.#lines.get(to);
    if (line === undefined) return;
    line.onlyOffChain.remove(id);
    line.mayGoOnChain.remove(id);
    this.#tidy(to, line);
  }

  /** Those of a recipient that may go on chain as well, oldest first. */
  mayGoOnChain(to: Hex, limit: number): SendId[] {
    return this.#lines.get(to)?.mayGoOnChain.first(limit) ?? [];
  }

  #queue(to: Hex, line: Line): void {
    if (line.isTaken || line.isInTurn || leastOf(line) === undefined) return;
    line.isInTurn = true;
    this.#turns.add(to);
  }

  #tidy(to: Hex, line: Line): void {
    if (!line.isTaken && !line.isInTurn && leastOf(line) === undefined) this.#lines.delete(to);
  }
}

function leastOf({ onlyOffChain: { least: a }, mayGoOnChain: { least: b } }: Line): SendId | undefined {
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

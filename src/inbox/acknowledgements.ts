import type { Sequence } from './stream-item.ts';

/** Of fewer somebody may wait for each. */
const many = 64;
/** How long many acknowledgements wait for the next messages at most, ms. */
export const companyMs = 20;

const lost = new WeakSet<Promise<void>>();

/** Whether acknowledgements did not become durable: they may be made again. */
export function isLost(durable: Promise<void>): boolean {
  return lost.has(durable);
}

/** Messages that are done with, for the next transaction. */
export class Acknowledgements {
  /** Handed out as final: nothing of them is needed any more. */
  readonly final: Sequence[] = [];
  readonly early: Sequence[] = [];
  /** One promise for all: who acknowledges by the thousand gets no other for each. */
  readonly durable: Promise<void>;
  /** Whether they wait for company. */
  isWaiting = false;
  resolve: () => void = () => undefined;
  #reject: (error: unknown) => void = () => undefined;

  constructor() {
    this.durable = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.#reject = reject;
    });
    this.durable.catch(() => undefined); // who does not await it learns of it by the end of the stream
  }

  reject(error: unknown): void {
    lost.add(this.durable);
    this.#reject(error);
  }

  /** So many that they go with the next messages, where those are being read: a transaction takes as long for either. */
  get areMany(): boolean {
    return this.final.length >= many;
  }
}

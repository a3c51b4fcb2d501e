import type { BlockAnchor } from './block-anchor.ts';
import type { OutboundValue } from './outbound-value.ts';

/** Blocks kept after they were read: so far may two readers be apart and still share. */
const maxBlocks = 1_024;
/** Bytes of their values, at most. */
const maxBytes = 8 * 2 ** 20;

/** Of the blocks read last, what they held, and of those that are being read, that they are. */
export class ValueCache {
  readonly #reading = new Map<string, Promise<OutboundValue | undefined>>();
  /** In the order they came. */
  readonly #kept = new Map<string, OutboundValue>();
  #bytes = 0;

  get(anchor: BlockAnchor): OutboundValue | Promise<OutboundValue | undefined> | undefined {
    const name = nameOf(anchor);
    return this.#kept.get(name) ?? this.#reading.get(name);
  }

  /** Lets others share what is being read of blocks; keeps it when it is there. */
  async share(anchors: readonly BlockAnchor[], reading: Promise<readonly OutboundValue[]>): Promise<void> {
    const names = anchors.map(nameOf);
    names.forEach((name, i) => {
      const value = reading.then((values) => values[i]);
      value.catch(() => undefined); // who reads it is told
      this.#reading.set(name, value);
    });
    try {
      (await reading).forEach((value, i) => {
        this.#keep(names[i] ?? '', value);
      });
    } finally {
      for (const name of names) this.#reading.delete(name);
    }
  }

  #keep(name: string, value: OutboundValue): void {
    this.#kept.set(name, value);
    this.#bytes += value.value?.length ?? 0;
    for (const [oldest, { value: bytes }] of this.#kept) {
      if (this.#kept.size <= maxBlocks && this.#bytes <= maxBytes) return;
      this.#kept.delete(oldest);
      this.#bytes -= bytes?.length ?? 0;
    }
  }
}

/** What is proven is not taken for what is not, nor the other way round. */
function nameOf({ hash, stateRoot }: BlockAnchor): string {
  return stateRoot === undefined ? hash : `${hash} proven`;
}

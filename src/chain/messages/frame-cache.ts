import type { BlockAnchor } from './block-anchor.ts';
import { heldBy, isDiscarded, type OutboundRead } from './outbound-value.ts';

/** Blocks kept after they were read: so far may two readers be apart and still share. */
const maxBlocks = 1_024;
/** Bytes of their values, at most … */
const maxBytes = 8 * 2 ** 20;
/** … and where nobody shares them yet: another reader may be about to begin. */
const maxBytesAlone = 2 ** 19;

interface Kept {
  /** undefined of one that was removed: V8 keeps what was in a map until it collects old garbage. */
  reading: Promise<readonly OutboundRead[]> | undefined;
  readonly blocks: number;
  /** 0 until it was read. */
  bytes: number;
}

/** Of the frames read last, what they held, and of those that are being read, that they are. */
export class FrameCache {
  /** In the order they were asked for. */
  readonly #frames = new Map<string, Kept>();
  #blocks = 0;
  #bytes = 0;
  #readers = 0;

  /** Somebody reads, until what it gives is disposed. */
  enter(): Disposable {
    this.#readers += 1;
    return {
      [Symbol.dispose]: () => {
        this.#readers -= 1;
        this.#trim();
      },
    };
  }

  get(anchors: readonly BlockAnchor[]): Promise<readonly OutboundRead[]> | undefined {
    return this.#frames.get(nameOf(anchors))?.reading;
  }

  /** Lets others share what is being read; keeps it when all of it is there, and forgets it else. */
  share(anchors: readonly BlockAnchor[], reading: Promise<readonly OutboundRead[]>): void {
    const name = nameOf(anchors);
    const frame: Kept = { reading, blocks: anchors.length, bytes: 0 };
    this.#remove(name);
    this.#frames.set(name, frame);
    this.#blocks += frame.blocks;
    this.#trim();
    reading.then(
      (read) => {
        if (this.#frames.get(name) !== frame) return;
        let bytes = 0;
        for (const each of read) {
          // Another endpoint may have it by the time it is asked for again.
          if (isDiscarded(each)) {
            this.#remove(name);
            return;
          }
          bytes += each.value === undefined ? 0 : heldBy(each.value);
        }
        frame.bytes = bytes;
        this.#bytes += bytes;
        this.#trim();
      },
      () => {
        if (this.#frames.get(name) === frame) this.#remove(name);
      },
    );
  }

  #trim(): void {
    for (const name of this.#frames.keys()) {
      if (this.#blocks <= maxBlocks && this.#bytes <= (this.#readers > 1 ? maxBytes : maxBytesAlone)) return;
      this.#remove(name);
    }
  }

  #remove(name: string): void {
    const frame = this.#frames.get(name);
    if (frame === undefined) return;
    this.#frames.delete(name);
    frame.reading = undefined;
    this.#blocks -= frame.blocks;
    this.#bytes -= frame.bytes;
  }
}

/** What is proven is not taken for what is not, nor the other way round. */
function nameOf(anchors: readonly BlockAnchor[]): string {
  const [first] = anchors;
  const last = anchors.at(-1);
  const isProven = anchors.every(({ stateRoot }) => stateRoot !== undefined);
  return `${first?.hash} ${last?.hash} ${anchors.length}${isProven ? ' proven' : ''}`;
}

import { RawText } from './raw-text.ts';

/** Shorter frames are no load for the garbage collector, … */
const shortest = 16 * 1024;
/** … and longer ones are few. */
const longest = 1024 * 1024;
/** What waits for its next frame, at most. */
const maxKeptBytes = 4 * 1024 * 1024;

/**
 * Memory for frames, which those who are done with one may give back for the next. V8 collects old garbage by how much there is
 * outside of its heap, and frames are the most of that where many blocks are proven. Who does not give back loses nothing: such a
 * frame is garbage as any other.
 */
export class FrameMemory {
  /** What frames are in that may be given back. */
  readonly #lent = new WeakSet<ArrayBufferLike>();
  /** Oldest first. */
  readonly #kept: Buffer[] = [];
  #keptBytes = 0;

  /** What is in it is anything. */
  take(length: number): Buffer {
    if (length < shortest || length > longest) return Buffer.allocUnsafe(length);
    // Not twice as much as is needed: who keeps the frame keeps all of it.
    const at = this.#kept.findIndex((each) => each.length >= length && each.length < 2 * length);
    const [whole = Buffer.allocUnsafeSlow(length)] = at < 0 ? [] : this.#kept.splice(at, 1);
    if (at >= 0) this.#keptBytes -= whole.length;
    this.#lent.add(whole.buffer);
    return whole.subarray(0, length);
  }

  /** Nobody reads a frame any more, or a view of it. What is none from here, or was given back before, is left alone. */
  giveBack({ buffer }: Uint8Array): void {
    if (!this.#lent.delete(buffer)) return;
    this.#kept.push(Buffer.from(buffer));
    this.#keptBytes += buffer.byteLength;
    while (this.#keptBytes > maxKeptBytes) this.#keptBytes -= this.#kept.shift()?.length ?? 0;
  }

  /** A frame is not to be given back: others may read it than those who would. */
  keep({ buffer }: Uint8Array): void {
    this.#lent.delete(buffer);
  }
}

/** Of all connections of the process. */
export const frameMemory = new FrameMemory();

/** Gives back what answers came in, when nothing reads their texts any more. */
export function giveBackFrames(answers: Iterable<unknown>): void {
  for (const answer of answers) {
    const { result } = answer as { readonly result?: unknown };
    if (result instanceof RawText) frameMemory.giveBack(result.frame);
  }
}

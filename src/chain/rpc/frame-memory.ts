import { RawText } from './raw-text.ts';

/** Shorter frames are no load for the garbage collector, … */
const shortest = 16 * 1024;
/** … and longer ones are few. */
const longest = 1024 * 1024;
/** What waits for its next frame, at most. */
const maxFreeBytes = 4 * 1024 * 1024;

/** On memory of which a frame may be given back: a weak set of them would hold each until old garbage is collected. */
const isLent = Symbol('isLent');
type Memory = ArrayBufferLike & { [isLent]?: boolean };

/**
 * Memory for frames, which those who are done with one may give back for the next. V8 collects old garbage by how much there is
 * outside of its heap, and frames are the most of that where many blocks are proven. Who does not give back loses nothing: such a
 * frame is garbage as any other.
 */
export class FrameMemory {
  /** Oldest first. */
  readonly #free: Buffer[] = [];
  #freeBytes = 0;

  /** What is in it is anything. */
  take(length: number): Buffer {
    if (length < shortest || length > longest) return Buffer.allocUnsafe(length);
    // Not twice as much as is needed: who keeps the frame keeps all of it.
    const at = this.#free.findIndex((each) => each.length >= length && each.length < 2 * length);
    const [whole = Buffer.allocUnsafeSlow(length)] = at < 0 ? [] : this.#free.splice(at, 1);
    if (at >= 0) this.#freeBytes -= whole.length;
    (whole.buffer as Memory)[isLent] = true;
    return whole.subarray(0, length);
  }

  /** Nobody reads a frame any more, or a view of it. What is none from here, or was given back before, is left alone. */
  giveBack({ buffer }: { readonly buffer: Memory }): void {
    if (buffer[isLent] !== true) return;
    buffer[isLent] = false;
    this.#free.push(Buffer.from(buffer));
    this.#freeBytes += buffer.byteLength;
    while (this.#freeBytes > maxFreeBytes) this.#freeBytes -= this.#free.shift()?.length ?? 0;
  }

  /** A frame is not to be given back: others may read it than those who would. */
  neverReuse({ buffer }: { readonly buffer: Memory }): void {
    if (buffer[isLent] === true) buffer[isLent] = false;
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

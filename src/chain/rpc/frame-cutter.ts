import { frameMemory } from './frame-memory.ts';

/** Most that is set aside for a frame of which only the head is there; longer ones are given on as they come. */
const maxWhole = 4 * 1024 * 1024;
/** What ends the head of an HTTP answer. */
const blankLine = Uint8Array.of(0x0d, 0x0a, 0x0d, 0x0a);

/**
 * Cuts what a server of WebSockets sends where its frames end, so that who reads them has each in one piece and does not put
 * it together. Nothing is altered or left out. What cannot be a frame of theirs is not waited for: it is given on as it
 * comes, with all that follows, for who reads it to refuse.
 */
export class FrameCutter {
  readonly #give: (piece: Buffer) => boolean;
  #takesMore = true;
  #areFrames = false;
  /** How much of a blank line was there last, before there are frames. */
  #matched = 0;
  /** The beginning of a frame that does not say its length yet. */
  #head: Uint8Array | undefined;
  /** A frame of which the first bytes are there, … */
  #whole: Buffer | undefined;
  /** … so many. */
  #filled = 0;
  /** Bytes to come of a frame that is given on as it comes. */
  #left = 0;

  /** `give` takes a piece, which is its to keep, and says whether it takes more for now. */
  constructor(give: (piece: Buffer) => boolean) {
    this.#give = give;
  }

  /** To be called by `give` where the head of the HTTP answer ends that frames follow. */
  upgraded(): void {
    this.#areFrames = this.#matched === blankLine.length;
  }

  /** Keeps nothing of `bytes`. False where the last piece that was given was one too many for now. */
  take(bytes: Uint8Array): boolean {
    this.#takesMore = true;
    let at = 0;
    while (at < bytes.length && !this.#areFrames) {
      const end = this.#behindBlankLine(bytes, at);
      this.#pass(bytes.subarray(at, end));
      at = end;
    }
    if (at < bytes.length) this.#takeFrames(bytes.subarray(at));
    return this.#takesMore;
  }

  #behindBlankLine(bytes: Uint8Array, from: number): number {
    if (this.#matched === blankLine.length) this.#matched = 0;
    for (let at = from; at < bytes.length; at++) {
      const isNext = bytes[at] === blankLine[this.#matched];
      this.#matched = isNext ? this.#matched + 1 : bytes[at] === blankLine[0] ? 1 : 0;
      if (this.#matched === blankLine.length) return at + 1;
    }
    return bytes.length;
  }

  #takeFrames(read: Uint8Array): void {
    const bytes = this.#head === undefined ? read : Buffer.concat([this.#head, read]);
    this.#head = undefined;
    const start = this.#goOn(bytes);
    let end = start;
    let length = frameLength(bytes, end);
    for (; length !== undefined && length <= bytes.length - end; length = frameLength(bytes, end)) end += length;
    this.#pass(bytes.subarray(start, end));
    if (end < bytes.length) this.#begin(bytes.subarray(end), length);
  }

  /** With the frame that was begun. Gives how many of the bytes are of it. */
  #goOn(bytes: Uint8Array): number {
    if (this.#left > 0) {
      const count = Math.min(this.#left, bytes.length);
      this.#left -= count;
      this.#pass(bytes.subarray(0, count));
      return count;
    }
    const whole = this.#whole;
    if (whole === undefined) return 0;
    const count = Math.min(whole.length - this.#filled, bytes.length);
    whole.set(bytes.subarray(0, count), this.#filled);
    this.#filled += count;
    if (this.#filled === whole.length) {
      this.#whole = undefined;
      this.#takesMore = this.#give(whole);
    }
    return count;
  }

  #begin(bytes: Uint8Array, length: number | undefined): void {
    if (length === undefined) {
      // A copy: `slice` of a Buffer would be a view.
      this.#head = new Uint8Array(bytes);
    } else if (length > maxWhole) {
      this.#left = length - bytes.length;
      this.#pass(bytes);
    } else {
      this.#whole = frameMemory.take(length);
      this.#whole.set(bytes);
      this.#filled = bytes.length;
    }
  }

  #pass(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    const piece = Buffer.allocUnsafe(bytes.length);
    piece.set(bytes);
    this.#takesMore = this.#give(piece);
  }
}

/**
 * Of the frame that begins at a place, head and all (RFC 6455, section 5.2); undefined where too little of it is there.
 * Without an end where it is none that a server may send.
 */
function frameLength(bytes: Uint8Array, at: number): number | undefined {
  const first = bytes[at];
  const second = bytes[at + 1];
  if (first === undefined || second === undefined) return undefined;
  if (isWrong(first, second)) return Infinity;
  const length = second & 0x7f;
  if (length < 126) return 2 + length;
  const digits = length === 126 ? 2 : 8;
  if (at + 2 + digits > bytes.length) return undefined;
  let long = 0;
  for (let i = 0; i < digits; i++) long = 256 * long + (bytes[at + 2 + i] ?? 0);
  return 2 + digits + long;
}

/** What no server sends without an extension: reserved bits or opcodes, a mask, a control frame that is long or a fragment. */
function isWrong(first: number, second: number): boolean {
  const isControl = (first & 0x08) !== 0;
  const isFragment = (first & 0x80) === 0;
  return (
    (first & 0x70) !== 0 || (first & 0x07) > 2 || (second & 0x80) !== 0 || (isControl && (isFragment || second > 125))
  );
}

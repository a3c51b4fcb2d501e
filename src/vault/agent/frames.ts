import { RelayError } from '../../errors/index.ts';

/** Bytes of one frame, its length left out: more than a block of a Khala-compatible chain holds. */
export const maxFrame = 1 << 23;
const lengthBytes = 4;

/** A frame: its length (u32, little-endian), then that many bytes. Consecutive parts are given as one. Throws bad-value. */
export function frame(...parts: readonly Uint8Array[]): Uint8Array {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  if (length > maxFrame)
    throw new RelayError('bad-value', {
      details: { what: 'A frame for or from the agent', reason: `it would have more than ${maxFrame} bytes` },
    });
  const bytes = new Uint8Array(lengthBytes + length);
  new DataView(bytes.buffer).setUint32(0, length, true);
  let at = lengthBytes;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** Puts frames together from what a socket gives. Holds no more than one frame and what came with its end. */
export class FrameReader {
  /** Of a frame that has begun: put together once it is there, so that a large one is copied once. */
  #parts: Uint8Array[] = [];
  #held = 0;
  /** Bytes without which there is nothing to read. */
  #needed = lengthBytes;

  /** Whether a frame has begun and not ended. */
  get isWithin(): boolean {
    return this.#held > 0;
  }

  /** Frames that end in `chunk`: copies of nothing, so they are to be used at once. Throws agent-protocol. */
  *read(chunk: Uint8Array): Generator<Uint8Array> {
    if (this.#held + chunk.length < this.#needed) {
      this.#keep(chunk, this.#needed);
      return;
    }
    const bytes = this.#held === 0 ? chunk : Buffer.concat([...this.#parts, chunk]);
    this.#parts = [];
    this.#held = 0;
    this.#needed = lengthBytes;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let at = 0;
    let needed = lengthBytes;
    while (bytes.length - at >= needed) {
      const length = view.getUint32(at, true);
      if (length > maxFrame)
        throw new RelayError('agent-protocol', { details: { reason: `a frame of ${length} bytes` } });
      needed = lengthBytes + length;
      if (bytes.length - at < needed) break;
      yield bytes.subarray(at + lengthBytes, at + needed);
      at += needed;
      needed = lengthBytes;
    }
    this.#keep(bytes.subarray(at), needed);
  }

  #keep(bytes: Uint8Array, needed: number): void {
    this.#needed = needed;
    if (bytes.length === 0) return;
    // A copy: the chunk belongs to the socket.
    this.#parts.push(Uint8Array.from(bytes));
    this.#held += bytes.length;
  }
}

import { RelayError } from '../../errors/index.ts';

/** Bytes of one frame, its length left out; an envelope has far fewer. */
export const maxFrame = 1 << 20;
const lengthBytes = 4;

/** A frame: its length (u32, little-endian), then that many bytes. Consecutive parts are given as one. */
export function frame(...parts: readonly Uint8Array[]): Uint8Array {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  if (length > maxFrame)
    throw new RelayError('bad-value', {
      details: { what: 'The request', reason: `it has more than ${maxFrame} bytes` },
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
  #rest: Uint8Array = new Uint8Array();

  /** Whether a frame has begun and not ended. */
  get isWithin(): boolean {
    return this.#rest.length > 0;
  }

  /** Frames that end in `chunk`: copies of nothing, so they are to be used at once. Throws agent-protocol. */
  *read(chunk: Uint8Array): Generator<Uint8Array> {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let at = 0;
    while (bytes.length - at >= lengthBytes) {
      const length = view.getUint32(at, true);
      if (length > maxFrame)
        throw new RelayError('agent-protocol', { details: { reason: `a frame of ${length} bytes` } });
      const end = at + lengthBytes + length;
      if (end > bytes.length) break;
      yield bytes.subarray(at + lengthBytes, end);
      at = end;
    }
    // A copy: the chunk belongs to the socket.
    this.#rest = at === bytes.length ? new Uint8Array() : Uint8Array.from(bytes.subarray(at));
  }
}

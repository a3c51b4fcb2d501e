import { toHex } from './hex.ts';
import { headerStartLength, type HeaderStart } from './header.ts';

/** One beginning in each place: a power of two. */
const places = 1_024;

/**
 * Beginnings of headers, each decoded once: who reads messages by the thousand reads those of a few senders. They, and the
 * keys in them, are shared by all headers that they are given for, so nobody may write to them.
 */
export class HeaderStarts {
  readonly #known = new Array<HeaderStart | undefined>(places);
  /** What they were decoded from. */
  readonly #bytes = new Array<DataView | undefined>(places);
  #lastView: DataView = new DataView(new ArrayBuffer(0));

  /** Of the header that begins at `at`, all of it there, with a valid kind. */
  of(bytes: Uint8Array, at: number): HeaderStart {
    // Bytes of the sender's id and of both keys, which are as good as random.
    const place = ((bytes[at + 1] ?? 0) + ((bytes[at + 65] ?? 0) << 2) + (bytes[at + 97] ?? 0) * 5) & (places - 1);
    const known = this.#known[place];
    const same = this.#bytes[place];
    if (known !== undefined && same !== undefined && this.#standsAt(bytes, at, same)) return known;
    const own = new Uint8Array(bytes.subarray(at, at + headerStartLength));
    const part = (index: number): Uint8Array => own.slice(1 + 32 * index, 33 + 32 * index);
    const start: HeaderStart = {
      fromKind: own[0] === 0 ? 'worker' : 'account',
      from: toHex(part(0)),
      to: toHex(part(1)),
      senderKey: part(2),
      recipientKey: part(3),
    };
    this.#known[place] = start;
    this.#bytes[place] = new DataView(own.buffer);
    return start;
  }

  /** Four bytes at a time, the last one by itself. */
  #standsAt({ buffer, byteOffset }: Uint8Array, at: number, same: DataView): boolean {
    // Messages that come together are in the same memory.
    if (this.#lastView.buffer !== buffer) this.#lastView = new DataView(buffer);
    const view = this.#lastView;
    const from = byteOffset + at;
    const last = headerStartLength - 1;
    for (let i = 0; i < last; i += 4) if (view.getInt32(from + i) !== same.getInt32(i)) return false;
    return view.getUint8(from + last) === same.getUint8(last);
  }
}

import { fastToHex } from '../storage/fast-hex.ts';
import type { MessageSender } from './messages.ts';
import type { MessageSource } from './message-source.ts';

type IdentifiedSender = Extract<MessageSender, { readonly kind: 'worker' | 'account' }>;

const idLength = 32;
/** One in each place: a power of two. */
const places = 256;
const scratch = new Uint8Array(idLength);

/** Senders met before: who reads messages by the thousand reads those of a few. */
export class KnownSenders {
  readonly #ids = new Uint8Array(places * idLength);
  readonly #senders = new Array<IdentifiedSender | undefined>(places);

  /** Of the id of 32 bytes at a place that was stepped over. */
  of(kind: IdentifiedSender['kind'], source: MessageSource, at: number): IdentifiedSender {
    source.copy(at, idLength, scratch, 0);
    const place = ((scratch[0] ?? 0) + 7 * (scratch[31] ?? 0) + (kind === 'worker' ? 1 : 0)) & (places - 1);
    const known = this.#senders[place];
    if (known?.kind === kind && this.#isIn(place)) return known;
    const sender = { kind, id: fastToHex(scratch) };
    this.#senders[place] = sender;
    this.#ids.set(scratch, place * idLength);
    return sender;
  }

  #isIn(place: number): boolean {
    const begin = place * idLength;
    for (let i = 0; i < idLength; i++) if (this.#ids[begin + i] !== scratch[i]) return false;
    return true;
  }
}

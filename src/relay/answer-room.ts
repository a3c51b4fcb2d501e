export interface AnswerRoomLimits {
  /** Answers that are on their way or wait for their turn. */
  readonly limit: number;
  /** Bytes of these; one asker has an eighth of it at most, or one answer. */
  readonly limitBytes: number;
  /** Part of these that may be to askers that are not registered. */
  readonly strangerPart: number;
}

/** Whose answers they are. */
export interface Holder {
  readonly registered: boolean;
  /** Of all to this one. */
  count: number;
  bytes: number;
}

const holderPart = 1 / 8;

/** Room for answers on their way: in all, for askers that are not registered, and for each. One has always room, however large. */
export class AnswerRoom {
  readonly #limits: AnswerRoomLimits;
  readonly #held = { count: 0, bytes: 0 };
  readonly #heldForStrangers = { count: 0, bytes: 0 };
  #tellChange: () => void = () => undefined;
  #changed = this.#nextChange();

  constructor(limits: AnswerRoomLimits) {
    this.#limits = limits;
  }

  /** Resolves when there may be more of it, or somebody is to look. */
  get changed(): Promise<void> {
    return this.#changed;
  }

  /** Whoever waits is to look. */
  tell(): void {
    this.#tellChange();
    this.#changed = this.#nextChange();
  }

  /** Whether there is some in all. */
  has(bytes: number): boolean {
    const { limit, limitBytes } = this.#limits;
    return fits(this.#held, bytes, limit, limitBytes);
  }

  /** Why a holder may not have more, with what all hold that are not registered; undefined: it may, once there is room in all. */
  whyNone(holder: Holder, bytes: number): string | undefined {
    const { limit, limitBytes, strangerPart } = this.#limits;
    if (holder.count > 0 && holder.bytes + bytes > limitBytes * holderPart)
      return `${holder.bytes} bytes of answers to it are under way`;
    if (holder.registered) return undefined;
    const [part, partBytes] = [Math.ceil(limit * strangerPart), limitBytes * strangerPart];
    if (fits(this.#heldForStrangers, bytes, part, partBytes) && this.has(bytes)) return undefined;
    const { count, bytes: inAll } = this.#heldForStrangers;
    return `${count} answers to unregistered askers are under way, of ${inAll} bytes`;
  }

  take(holder: Holder, bytes: number): void {
    this.#count(holder, 1, bytes);
  }

  release(holder: Holder, bytes: number): void {
    this.#count(holder, -1, -bytes);
    this.tell();
  }

  #count(holder: Holder, more: 1 | -1, bytes: number): void {
    for (const held of holder.registered ? [holder, this.#held] : [holder, this.#held, this.#heldForStrangers]) {
      held.count += more;
      held.bytes += bytes;
    }
  }

  #nextChange(): Promise<void> {
    return new Promise((resolve) => (this.#tellChange = resolve));
  }
}

function fits(
  held: { readonly count: number; readonly bytes: number },
  bytes: number,
  most: number,
  mostBytes: number,
): boolean {
  return held.count === 0 || (held.count < most && held.bytes + bytes <= mostBytes);
}

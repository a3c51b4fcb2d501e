import { newerKey, type NewerKey } from '../channel/newer-key.ts';
import { encodeSignedEnvelope, type Hex } from '../codec/index.ts';
import type { Carried, OffChainCarrier } from './off-chain-carrier.ts';
import type { Stored } from './outbox-change.ts';
import { sealStored, type Sealed } from './seal-kept.ts';
import type { Work } from './work.ts';

export interface HandOverWork extends Work {
  /** A recipient has named a newer key than the directory has. */
  readonly onNewerKey: (to: Hex, key: NewerKey) => Promise<void> | void;
}

export interface HandedOver {
  /** Under the id that was taken. */
  readonly sealed: Sealed;
  readonly carried: Carried;
}

/** Seals messages to the newest key of their recipients that anybody knows of, and gives them to the carrier. */
export class HandOver {
  readonly #work: HandOverWork;
  /** Of recipients who named a newer key than the directory has. */
  readonly #newest = new Map<Hex, NewerKey>();

  constructor(work: HandOverWork) {
    this.#work = work;
  }

  /** Throws what {@link sealStored} throws. */
  seal(stored: Stored): Promise<Sealed> {
    return sealStored(this.#work, stored, this.#newestOf(stored.record.to));
  }

  /**
   * Where the recipient has erased the key and names a newer one, seals to that; the nonce stays, so one of the two counts.
   * `onSealed` is told of it before it goes. Throws what the carrier throws.
   */
  async give(
    sealed: Sealed,
    carrier: OffChainCarrier,
    onSealed: (again: Sealed) => Promise<unknown>,
  ): Promise<HandedOver> {
    const { genesisHash, onNewerKey } = this.#work;
    const { to } = sealed.stored.record;
    try {
      return { sealed, carried: await this.#hand(sealed, carrier) };
    } catch (error) {
      // Where the directory does not tell epochs, any that is named is newer.
      const used = { epoch: this.#newest.get(to)?.epoch ?? this.#directoryEpoch(to) ?? -1 };
      const newer = newerKey(error, { genesisHash, identity: to, used });
      if (newer === undefined) throw error;
      await onNewerKey(to, newer);
      this.#newest.set(to, newer);
      const again = await sealStored(this.#work, sealed.stored, newer.ecdhKey);
      await onSealed(again);
      return { sealed: again, carried: await this.#hand(again, carrier) };
    }
  }

  /** A key that the recipient named, until the directory has it or a newer one. */
  #newestOf(to: Hex): Uint8Array | undefined {
    const named = this.#newest.get(to);
    const epoch = this.#directoryEpoch(to);
    if (named === undefined || epoch === undefined || epoch < named.epoch) return named?.ecdhKey;
    this.#newest.delete(to);
    return undefined;
  }

  #directoryEpoch(to: Hex): number | undefined {
    const current = this.#work.directory.get(to)?.current as { readonly epoch?: number } | undefined;
    return current?.epoch;
  }

  async #hand({ stored, envelope }: Sealed, carrier: OffChainCarrier): Promise<Carried> {
    const { vault, genesisHash, signal } = this.#work;
    const signature = await vault.sign({ type: 'envelope', genesisHash, envelope });
    const signed = encodeSignedEnvelope({ identity: vault.identity, signature, envelope });
    const { endpoint, status } = await carrier.carry(signed, stored.record.to, signal);
    return { endpoint, status };
  }
}

import type { BlockId } from '../../../src/chain/index.ts';
import { equalBytes } from '../../../src/codec/index.ts';
import { isRelayError } from '../../../src/errors/index.ts';
import { openInboxFiles, type InboxFiles, type ListedLetter } from '../../../src/inbox/index.ts';
import type { TransactionalStore } from '../../../src/store/index.ts';
import type { Vault } from '../../../src/vault/index.ts';
import { deadLettersOf } from '../../support/inbox-probe.ts';

/** Of no dead letter. */
const noLetter = 2n ** 40n;

/** Another process that tries dead letters again and removes them by hand. */
export class LetterBox {
  /** That were tried again, or were to be. */
  readonly tried: Uint8Array[] = [];
  readonly discarded: ListedLetter[] = [];
  readonly #disk: TransactionalStore;
  readonly #vault: Vault;

  constructor(disk: TransactionalStore, vault: Vault) {
    this.#disk = disk;
    this.#vault = vault;
  }

  /** Numbers to be tried: of the letters at these places, the oldest first; beyond them numbers that no letter has. */
  async toTry(places: readonly number[]): Promise<bigint[]> {
    const letters = await this.letters();
    this.tried.push(...places.flatMap((place) => letters[place]?.envelope ?? []));
    return numbersAt(places, letters);
  }

  async retry(numbers: readonly bigint[]): Promise<void> {
    await (await this.#files())?.retry(this.#vault, numbers);
  }

  /** All; whether there was any. */
  async retryAll(): Promise<boolean> {
    const letters = await this.letters();
    this.tried.push(...letters.map(({ envelope }) => envelope));
    await this.retry(letters.map(({ sequence }) => sequence));
    return letters.length > 0;
  }

  async discard(places: readonly number[]): Promise<void> {
    const letters = await this.letters();
    const removed = (await (await this.#files())?.discard(numbersAt(places, letters))) ?? [];
    this.discarded.push(...letters.filter(({ sequence }) => removed.includes(sequence)));
  }

  async letters(): Promise<ListedLetter[]> {
    return (await this.#files()) === undefined ? [] : deadLettersOf(this.#disk);
  }

  async hasRead({ hash }: BlockId): Promise<boolean> {
    return (await this.#files())?.cursor?.hash === hash;
  }

  /** Whether something waits that is sealed to one of these keys, as presence asks; or a dead letter that opens on another try. */
  async needs(keys: readonly Uint8Array[], isMessage: (envelope: Uint8Array) => boolean): Promise<boolean> {
    const { needed = [] } = (await (await this.#files())?.keysInUse()) ?? {};
    if (needed.some((key) => keys.some((each) => equalBytes(each, key)))) return true;
    return (await this.letters()).some(({ envelope }) => isMessage(envelope));
  }

  /** Whether it was tried again by hand, or removed: nothing is promised of its order then. */
  wasTouched(envelope: Uint8Array): boolean {
    return this.wasDiscarded(envelope) || this.tried.some((each) => equalBytes(each, envelope));
  }

  wasDiscarded(envelope: Uint8Array): boolean {
    return this.discarded.some((letter) => equalBytes(letter.envelope, envelope));
  }

  /** undefined: no inbox has written anything yet. */
  async #files(): Promise<InboxFiles | undefined> {
    try {
      return await openInboxFiles(this.#disk);
    } catch (error) {
      if (!isRelayError(error, 'inbox-empty')) throw error;
      return undefined;
    }
  }
}

function numbersAt(places: readonly number[], letters: readonly ListedLetter[]): bigint[] {
  return places.map((place) => letters[place]?.sequence ?? noLetter + BigInt(place));
}

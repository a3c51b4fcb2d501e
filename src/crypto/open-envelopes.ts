import {
  decodeBody,
  headerLength,
  locateV1,
  type Body,
  type Header,
  type HeaderStarts,
  type Hex,
} from '../codec/index.ts';
import { RelayError } from '../errors/index.ts';
import type { SealedPart } from './backend.ts';
import type { CipherKey } from './cipher.ts';
import { decodeV1, openEnvelopeWith, prefixOf } from './envelope-cipher.ts';

const tagLength = 16;

interface Opened {
  readonly header: Header;
  readonly body: Body;
}

type Outcome = Opened | RelayError;

export interface OpenAllInput {
  readonly genesisHash: Hex;
  /** SCALE of V1 envelopes. */
  readonly envelopes: readonly Uint8Array[];
  readonly starts: HeaderStarts;
}

/**
 * As {@link openEnvelopeWith} of each, in their order, those under one key together; in the place of one that does not open
 * stands its error. All keys are asked for before the first is used. Keys in headers, and the memory of contents, are shared.
 */
export function openEnvelopesWith(
  keyFor: (header: Header) => CipherKey,
  input: OpenAllInput,
): Outcome[] | Promise<Outcome[]> {
  const opening = new Opening(keyFor, input);
  input.envelopes.forEach((envelope, i) => {
    opening.add(envelope, i);
  });
  return opening.finish();
}

/** Messages under one key. */
interface Group {
  readonly places: number[];
  readonly headers: Header[];
  readonly parts: SealedPart[];
}

class Opening {
  readonly #keyFor: (header: Header) => CipherKey;
  readonly #input: OpenAllInput;
  readonly #outcomes: Outcome[];
  readonly #groups = new Map<CipherKey, Group>();
  /** By keys that take their time. */
  readonly #late: Promise<void>[] = [];

  constructor(keyFor: (header: Header) => CipherKey, input: OpenAllInput) {
    this.#keyFor = keyFor;
    this.#input = input;
    this.#outcomes = new Array<Outcome>(input.envelopes.length);
  }

  add(envelope: Uint8Array, place: number): void {
    const { genesisHash, starts } = this.#input;
    try {
      const located = locateV1(envelope, starts);
      const header = located?.header ?? decodeV1(envelope).header;
      const key = this.#keyFor(header);
      if (located === undefined || key.openAll === undefined)
        this.#settle(
          place,
          openEnvelopeWith(() => key, { genesisHash, envelope, starts }),
        );
      else if (located.ciphertextLength < tagLength) throw new RelayError('open-failed');
      else {
        const { ivAt, ciphertextAt: sealedAt, ciphertextLength: sealedLength } = located;
        const group = this.#groupOf(key);
        group.places.push(place);
        group.headers.push(header);
        group.parts.push({ bytes: envelope, ivAt, aadAt: 1, aadLength: headerLength, sealedAt, sealedLength });
      }
    } catch (error) {
      this.#outcomes[place] = asRefusal(error);
    }
  }

  finish(): Outcome[] | Promise<Outcome[]> {
    const prefix = prefixOf(this.#input.genesisHash);
    for (const [key, { places, headers, parts }] of this.#groups) {
      const texts = key.openAll?.(prefix, parts) ?? [];
      for (let i = 0; i < headers.length; i++) {
        const header = headers[i];
        if (header !== undefined) this.#outcomes[places[i] ?? -1] = openedOf(header, texts[i]);
      }
    }
    return this.#late.length === 0 ? this.#outcomes : Promise.all(this.#late).then(() => this.#outcomes);
  }

  #groupOf(key: CipherKey): Group {
    let group = this.#groups.get(key);
    if (group === undefined) this.#groups.set(key, (group = { places: [], headers: [], parts: [] }));
    return group;
  }

  #settle(place: number, opened: Opened | Promise<Opened>): void {
    if (opened instanceof Promise)
      this.#late.push(
        opened.catch(asRefusal).then((outcome) => {
          this.#outcomes[place] = outcome;
        }),
      );
    else this.#outcomes[place] = opened;
  }
}

function openedOf(header: Header, text: Uint8Array | undefined): Outcome {
  if (text === undefined) return new RelayError('open-failed');
  try {
    return { header, body: decodeBody(text, true) };
  } catch (error) {
    return asRefusal(error);
  }
}

function asRefusal(error: unknown): RelayError {
  if (error instanceof RelayError) return error;
  throw error;
}

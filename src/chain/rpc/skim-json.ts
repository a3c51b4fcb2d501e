import { asBuffer, RawText } from './raw-text.ts';

/** Shorter strings become strings: what it costs to keep a piece of the frame is more then. */
const longFrom = 256;

/**
 * As JSON.parse, but strings of 256 bytes or more stay where they are, as {@link RawText}: answers are megabytes of hex of
 * which most is thrown away. undefined for what JSON.parse is to look at: what is no JSON, and the rare things that are not
 * read here, as escapes, deep nesting, and other characters than ASCII among the first 256 of a string. Behind them a string
 * may hold control characters, which JSON.parse refuses: to look for them would cost as much as all else, and who reads the
 * string finds that it is no hex.
 */
export function skimJson(text: Uint8Array): unknown {
  const bytes = asBuffer(text);
  if (bytes.includes(backslash)) return undefined;
  try {
    return new Skimmer(bytes).document();
  } catch (error) {
    if (error instanceof NotSkimmed) return undefined;
    throw error;
  }
}

/** As {@link skimJson}, of a part of a frame. */
export function skimText({ bytes }: RawText): unknown {
  return skimJson(bytes);
}

const quote = 0x22;
const comma = 0x2c;
const colon = 0x3a;
const backslash = 0x5c;
const openBracket = 0x5b;
const closeBracket = 0x5d;
const openBrace = 0x7b;
const closeBrace = 0x7d;
/** Levels of arrays and objects; answers have a few. */
const maxDepth = 32;

class NotSkimmed extends Error {
  override readonly name = 'NotSkimmed';
}

class Skimmer {
  readonly #bytes: Buffer;
  #at = 0;
  #depth = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  document(): unknown {
    const value = this.#value();
    this.#space();
    if (this.#at !== this.#bytes.length) throw new NotSkimmed();
    return value;
  }

  #value(): unknown {
    switch (this.#space()) {
      case quote:
        return this.#string();
      case openBrace:
        return this.#nested(closeBrace, () => this.#object());
      case openBracket:
        return this.#nested(closeBracket, () => this.#array());
      case 0x6e: // n
        return this.#literal('null', null);
      case 0x74: // t
        return this.#literal('true', true);
      case 0x66: // f
        return this.#literal('false', false);
      default:
        return this.#number();
    }
  }

  /** `rest` reads what follows the opening, where it is not closed at once. */
  #nested<T extends object>(close: number, rest: () => T): T {
    if (++this.#depth > maxDepth) throw new NotSkimmed();
    this.#at += 1;
    const value = rest();
    if (this.#bytes[this.#at] !== close) throw new NotSkimmed();
    this.#at += 1;
    this.#depth -= 1;
    return value;
  }

  #array(): unknown[] {
    const values: unknown[] = [];
    if (this.#space() === closeBracket) return values;
    for (;;) {
      values.push(this.#value());
      if (this.#space() !== comma) return values;
      this.#at += 1;
    }
  }

  #object(): Record<string, unknown> {
    const object: Record<string, unknown> = {};
    if (this.#space() === closeBrace) return object;
    for (;;) {
      if (this.#space() !== quote) throw new NotSkimmed();
      const key = this.#string();
      if (typeof key !== 'string' || key === '__proto__' || this.#space() !== colon) throw new NotSkimmed();
      this.#at += 1;
      object[key] = this.#value();
      if (this.#space() !== comma) return object;
      this.#at += 1;
    }
  }

  #string(): string | RawText {
    const bytes = this.#bytes;
    const start = this.#at + 1;
    const soon = start + longFrom;
    let end = start;
    for (let byte = bytes[end]; byte !== quote && end < soon; byte = bytes[++end])
      if (byte === undefined || byte < 0x20 || byte > 0x7e) throw new NotSkimmed();
    if (end >= soon) {
      end = bytes.indexOf(quote, end);
      if (end < 0) throw new NotSkimmed();
    }
    this.#at = end + 1;
    return end - start < longFrom ? shortText(bytes, start, end) : new RawText(bytes, start, end);
  }

  #number(): number {
    const bytes = this.#bytes;
    const start = this.#at;
    let end = start;
    let value = 0;
    for (let digit = digitAt(bytes, end); digit >= 0; digit = digitAt(bytes, ++end)) value = 10 * value + digit;
    this.#at = end;
    const next = this.#space();
    const isPlain = next === comma || next === closeBracket || next === closeBrace;
    if (end === start || !isPlain || end - start > 15 || (end - start > 1 && bytes[start] === 0x30))
      throw new NotSkimmed();
    return value;
  }

  #literal<T>(text: string, value: T): T {
    for (let i = 0; i < text.length; i++) if (this.#bytes[this.#at + i] !== text.charCodeAt(i)) throw new NotSkimmed();
    this.#at += text.length;
    return value;
  }

  /** Steps over white space; gives what comes then. */
  #space(): number | undefined {
    for (;;) {
      const byte = this.#bytes[this.#at];
      if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return byte;
      this.#at += 1;
    }
  }
}

function digitAt(bytes: Uint8Array, at: number): number {
  const digit = (bytes[at] ?? 0) - 0x30;
  return digit >= 0 && digit <= 9 ? digit : -1;
}

/** Names of members come by the thousand: the last of each length and first letter is kept. */
const kept: (string | undefined)[] = [];

function shortText(bytes: Buffer, start: number, end: number): string {
  const length = end - start;
  if (length > 15) return bytes.toString('latin1', start, end);
  const place = 128 * length + (bytes[start] ?? 0);
  const known = kept[place];
  if (known !== undefined && stands(bytes, start, known)) return known;
  const text = bytes.toString('latin1', start, end);
  kept[place] = text;
  return text;
}

function stands(bytes: Uint8Array, at: number, text: string): boolean {
  for (let i = 0; i < text.length; i++) if (bytes[at + i] !== text.charCodeAt(i)) return false;
  return true;
}

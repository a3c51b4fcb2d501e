import { RawText, textOf } from './raw-text.ts';

/**
 * Makes the answer of the text of a result, so that what is long is not made into strings first. undefined where the
 * text is not as it expects: then the answer is what JSON gives.
 */
export type ResultReader = (text: RawText) => unknown;

/** A part of a frame that is an answer to a request that reads its text. */
interface AnswerText {
  readonly id: number;
  /** Where the text of the result is. */
  readonly start: number;
  readonly end: number;
  /** Behind the whole answer. */
  readonly next: number;
}

const encoder = new TextEncoder();
const begin = encoder.encode('{"jsonrpc":"2.0",');
const idName = encoder.encode('"id":');
const resultName = encoder.encode('"result":');
const quote = 0x22;
const comma = 0x2c;
const backslash = 0x5c;
const openBracket = 0x5b;
const closeBracket = 0x5d;
const openBrace = 0x7b;
const closeBrace = 0x7d;
const zero = 0x30;
/** Ids of longer than that are none of ours. */
const maxDigits = 15;

/**
 * What is in a frame: as JSON.parse gives it, but results are what their readers make of their text, where they are written
 * as Substrate nodes write answers. Throws SyntaxError for what is no JSON, and what a reader throws.
 */
export function readFrame(frame: string | Uint8Array, readerOf: (id: number) => ResultReader | undefined): unknown {
  if (typeof frame === 'string') return JSON.parse(frame);
  return readAnswers(frame, readerOf) ?? JSON.parse(textOf(frame));
}

/** undefined where not all of it is answers that are read by their text. */
function readAnswers(frame: Uint8Array, readerOf: (id: number) => ResultReader | undefined): unknown {
  if (frame[0] !== openBracket) return readAnswer(frame, loneAnswer(frame), readerOf);
  // Where a text ends is not looked for among escapes.
  if (frame.includes(backslash)) return undefined;
  const messages: unknown[] = [];
  for (let at = 1; ; at += 1) {
    const answer = answerAt(frame, at);
    const message = readAnswer(frame, answer, readerOf);
    if (answer === undefined || message === undefined) return undefined;
    messages.push(message);
    at = answer.next;
    if (frame[at] === closeBracket) return at === frame.length - 1 ? messages : undefined;
    if (frame[at] !== comma) return undefined;
  }
}

function readAnswer(
  frame: Uint8Array,
  answer: AnswerText | undefined,
  readerOf: (id: number) => ResultReader | undefined,
): unknown {
  const result = answer && readerOf(answer.id)?.(new RawText(frame, answer.start, answer.end));
  return result === undefined ? undefined : { id: answer?.id, result };
}

/** Of a frame that is one answer: its end is that of the frame. Whether the text between is JSON is for its reader. */
function loneAnswer(frame: Uint8Array): AnswerText | undefined {
  const last = frame.length - 1;
  if (frame[last] !== closeBrace || !standsAt(frame, 0, begin)) return undefined;
  const next = last + 1;
  const at = begin.length;
  if (standsAt(frame, at, resultName)) {
    // The id comes last.
    let digits = last;
    while (digits > last - maxDigits && isDigit(frame[digits - 1])) digits -= 1;
    const end = digits - idName.length - 1;
    const id = numberAt(frame, digits, last);
    if (id === undefined || frame[end] !== comma || !standsAt(frame, end + 1, idName)) return undefined;
    return { id, start: at + resultName.length, end, next };
  }
  const start = standsAt(frame, at, idName) ? behindId(frame, at + idName.length) : undefined;
  return start && { ...start, end: last, next };
}

/** Of one in a list, where the text ends is to be found. */
function answerAt(frame: Uint8Array, from: number): AnswerText | undefined {
  if (!standsAt(frame, from, begin)) return undefined;
  const at = from + begin.length;
  if (standsAt(frame, at, resultName)) {
    const start = at + resultName.length;
    const end = endOfValue(frame, start);
    const digits = end + 1 + idName.length;
    if (frame[end] !== comma || !standsAt(frame, end + 1, idName)) return undefined;
    let last = digits;
    while (isDigit(frame[last])) last += 1;
    const id = numberAt(frame, digits, last);
    return id === undefined || frame[last] !== closeBrace ? undefined : { id, start, end, next: last + 1 };
  }
  const answer = standsAt(frame, at, idName) ? behindId(frame, at + idName.length) : undefined;
  if (answer === undefined) return undefined;
  const end = endOfValue(frame, answer.start);
  return frame[end] === closeBrace ? { ...answer, end, next: end + 1 } : undefined;
}

/** The id at a place, with the result behind it. */
function behindId(frame: Uint8Array, at: number): { id: number; start: number } | undefined {
  let end = at;
  while (isDigit(frame[end])) end += 1;
  const id = numberAt(frame, at, end);
  if (id === undefined || frame[end] !== comma || !standsAt(frame, end + 1, resultName)) return undefined;
  return { id, start: end + 1 + resultName.length };
}

/** Where a value ends that has no escapes in it; the end of the frame where it does not. */
function endOfValue(frame: Uint8Array, start: number): number {
  let depth = 0;
  for (let at = start; at < frame.length; at++) {
    const byte = frame[at];
    if (byte === quote) {
      at = frame.indexOf(quote, at + 1);
      if (at < 0) break;
      if (depth === 0) return at + 1;
    } else if (byte === openBrace || byte === openBracket) depth += 1;
    else if (byte === closeBrace || byte === closeBracket || byte === comma) {
      if (depth === 0) return at;
      if (byte !== comma && --depth === 0) return at + 1;
    }
  }
  return frame.length;
}

function numberAt(frame: Uint8Array, start: number, end: number): number | undefined {
  if (end === start || end - start > maxDigits) return undefined;
  let value = 0;
  for (let at = start; at < end; at++) value = 10 * value + (frame[at] ?? zero) - zero;
  return value;
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= zero && byte < zero + 10;
}

/** Whether these bytes are there. */
export function standsAt(bytes: Uint8Array, at: number, wanted: Uint8Array): boolean {
  for (let i = 0; i < wanted.length; i++) if (bytes[at + i] !== wanted[i]) return false;
  return true;
}

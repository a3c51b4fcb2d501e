import { asBuffer, RawText, textOf } from './raw-text.ts';

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
}

const encoder = new TextEncoder();
const begin = encoder.encode('{"jsonrpc":"2.0",');
const idName = encoder.encode('"id":');
const resultName = encoder.encode('"result":');
/** In a list: the end of an answer, and what the next one begins with. */
const between = encoder.encode('},{"jsonrpc":"2.0",');
const quote = 0x22;
const comma = 0x2c;
const backslash = 0x5c;
const openBracket = 0x5b;
const closeBracket = 0x5d;
const openBrace = 0x7b;
const closeBrace = 0x7d;
const closings = new Map([
  [quote, quote],
  [openBracket, closeBracket],
  [openBrace, closeBrace],
]);
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
  if (frame[0] !== openBracket) return readAnswer(frame, answerIn(frame, 0, frame.length), readerOf);
  // Without escapes a string has no quotes in it, so that no string looks like what is between two answers.
  if (frame[frame.length - 1] !== closeBracket || frame.includes(backslash)) return undefined;
  const bytes = asBuffer(frame);
  const messages: unknown[] = [];
  for (let at = 1; ;) {
    const next = bytes.indexOf(between, at);
    const end = next < 0 ? frame.length - 1 : next + 1;
    const answer = answerIn(frame, at, end);
    const message = answer && endsAsItBegins(frame, answer) ? readAnswer(frame, answer, readerOf) : undefined;
    if (message === undefined) return undefined;
    messages.push(message);
    if (next < 0) return messages;
    at = end + 1;
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

/** Of what is between two places, where it is one answer. Whether the text of its result is JSON is for its reader. */
function answerIn(frame: Uint8Array, from: number, to: number): AnswerText | undefined {
  const last = to - 1;
  if (frame[last] !== closeBrace || !standsAt(frame, from, begin)) return undefined;
  const at = from + begin.length;
  if (standsAt(frame, at, resultName)) {
    // The id comes last.
    let digits = last;
    while (digits > last - maxDigits && isDigit(frame[digits - 1])) digits -= 1;
    const end = digits - idName.length - 1;
    const id = numberAt(frame, digits, last);
    if (id === undefined || frame[end] !== comma || !standsAt(frame, end + 1, idName)) return undefined;
    return { id, start: at + resultName.length, end };
  }
  return standsAt(frame, at, idName) ? behindId(frame, at + idName.length, last) : undefined;
}

/** Whether a text that begins with what is to be closed ends with that: one that was cut off elsewhere does not. */
function endsAsItBegins(frame: Uint8Array, { start, end }: AnswerText): boolean {
  if (start >= end) return false;
  const closing = closings.get(frame[start] ?? 0);
  return closing === undefined || (end - start > 1 && frame[end - 1] === closing);
}

/** The id at a place, with the result behind it, which ends at `last`. */
function behindId(frame: Uint8Array, at: number, last: number): AnswerText | undefined {
  let end = at;
  while (isDigit(frame[end])) end += 1;
  const id = numberAt(frame, at, end);
  if (id === undefined || frame[end] !== comma || !standsAt(frame, end + 1, resultName)) return undefined;
  return { id, start: end + 1 + resultName.length, end: last };
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

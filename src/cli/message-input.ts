import { readFileSync } from 'node:fs';
import { fromHex, type BodyInput } from '../codec/index.ts';
import { RelayError } from '../errors/index.ts';
import { parseId } from './parse-id.ts';

const stdin = 0;

export interface BodyFlags {
  readonly file?: string;
  readonly invoke?: string;
  readonly input?: string;
}

/** The body that the arguments of `send` describe. Throws bad-input, bad-id, bad-hex. */
export function bodyFrom(text: string | undefined, { file, invoke, input }: BodyFlags): BodyInput {
  const given = [text, file, invoke].filter((source) => source !== undefined);
  if (given.length !== 1) throw badInput('give exactly one of TEXT, --file, - and --invoke');
  if (invoke !== undefined) {
    if (input === undefined) throw badInput('--invoke needs --input HEX');
    return { kind: 'invocation', to: parseId(invoke), input: fromHex(input, 'The input') };
  }
  if (file !== undefined) return { kind: 'data', content: readSource(file) };
  if (text === '-') return { kind: 'data', content: readSource(stdin) };
  return { kind: 'data', content: new TextEncoder().encode(text) };
}

function readSource(source: string | number): Uint8Array {
  try {
    return readFileSync(source);
  } catch (cause) {
    throw badInput(cause instanceof Error ? cause.message : String(cause), cause);
  }
}

function badInput(reason: string, cause?: unknown): RelayError {
  return new RelayError('bad-input', { details: { reason }, cause });
}

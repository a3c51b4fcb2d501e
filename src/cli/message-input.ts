import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fromHex, type BodyInput } from '../codec/index.ts';
import type { CallArguments } from '../contract/index.ts';
import { RelayError } from '../errors/index.ts';
import { parseId } from './parse-id.ts';

const stdin = 0;

export interface BodyFlags {
  readonly file?: string;
  readonly invoke?: string;
  readonly input?: string;
  readonly abi?: string;
  readonly method?: string;
  readonly args: string;
}

/** A call of a contract. */
export interface Call {
  readonly body: BodyInput;
  /** With an ABI: the JSON value that the call returned. Throws bad-arguments. */
  readonly decodeReturn?: (output: Uint8Array) => unknown;
}

/** The body that the arguments of `send` describe. Throws bad-input. */
export function bodyFrom(
  text: string | undefined,
  { file }: Pick<BodyFlags, 'file'>,
  call: Call | undefined,
): BodyInput {
  const given = [text, file, call].filter((source) => source !== undefined);
  if (given.length !== 1) throw badInput('give exactly one of TEXT, --file, - and --invoke');
  if (call !== undefined) return call.body;
  if (file !== undefined) return { kind: 'data', content: readSource(file) };
  if (text === '-') return { kind: 'data', content: readSource(stdin) };
  return { kind: 'data', content: new TextEncoder().encode(text) };
}

/** The call that `--invoke` and its companions describe. Throws bad-input, bad-id, bad-hex, and what the ABI throws. */
export async function callOf({ invoke = '', input, abi, method, args }: BodyFlags): Promise<Call> {
  const to = parseId(invoke);
  if ((input === undefined) === (abi === undefined)) throw badInput('--invoke needs --input HEX, or --abi FILE');
  if (input !== undefined) return { body: { kind: 'invocation', to, input: fromHex(input, 'The input') } };
  if (abi === undefined || method === undefined) throw badInput('--abi needs --method NAME');
  // Heavy, and needed by nobody else.
  const { parseAbi } = await import('../contract/index.ts');
  const contract = parseAbi(new TextDecoder().decode(readSource(abi)));
  return {
    body: { kind: 'invocation', to, input: contract.encodeCall(method, argumentsFrom(args)) },
    decodeReturn: (output) => contract.decodeReturn(method, output),
  };
}

/** Standard input by lines. Throws bad-input where something else is given too. */
export function linesOf(
  text: string | undefined,
  { file, invoke }: BodyFlags,
  signal: AbortSignal,
): AsyncIterable<string> {
  if (text !== '-' || file !== undefined || invoke !== undefined)
    throw badInput('--lines reads standard input: give -');
  return readLines(signal);
}

// Only once somebody reads: readline drops the lines that come before.
async function* readLines(signal: AbortSignal): AsyncIterable<string> {
  const reader = createInterface({ input: process.stdin, crlfDelay: Number.POSITIVE_INFINITY, signal });
  try {
    yield* reader;
  } finally {
    // Else the process goes on for as long as somebody may write.
    reader.close();
  }
}

function argumentsFrom(json: string): CallArguments {
  try {
    const value: unknown = JSON.parse(json);
    if (typeof value === 'object' && value !== null) return value as CallArguments;
  } catch (cause) {
    throw badInput(`--args is no JSON: ${cause instanceof Error ? cause.message : String(cause)}`, cause);
  }
  throw badInput('--args is neither a JSON array nor an object');
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

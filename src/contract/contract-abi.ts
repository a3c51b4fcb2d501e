import { Abi } from '@polkadot/api-contract/Abi';
import { compactAddLength, compactStripLength, isObject } from '@polkadot/util';
import { asRelayError, RelayError } from '../errors/index.ts';
import { checkExact } from './exact-numbers.ts';

/** Arguments in order, or by name as the ABI has them; JSON values, integers past 2^53 as decimal text. */
export type CallArguments = readonly unknown[] | Readonly<Record<string, unknown>>;

export interface DecodedCall {
  readonly method: string;
  /** JSON values by the names of the ABI. */
  readonly args: Readonly<Record<string, unknown>>;
}

/** What an ink! contract's metadata says of its messages: the codec of an Invocation's `input` (protocol.md §4). */
export interface ContractAbi {
  readonly name: string;
  /** As ink! writes them. */
  readonly methods: readonly string[];
  /** Selector, then the arguments in SCALE. Throws unknown-method, bad-arguments. */
  encodeCall(method: string, args: CallArguments): Uint8Array;
  /** Throws unknown-method where no selector fits, bad-arguments. */
  decodeCall(input: Uint8Array): DecodedCall;
  /** SCALE of what a method returns. Throws unknown-method, bad-arguments. */
  encodeReturn(method: string, value: unknown): Uint8Array;
  /** JSON value of what a method returned. Throws unknown-method, bad-arguments. */
  decodeReturn(method: string, output: Uint8Array): unknown;
}

type Message = Abi['messages'][number];

/** Reads an ink! metadata document (`contract.json`, versions 0 to 6), as text or parsed. Throws bad-abi. */
export function parseAbi(json: string | object): ContractAbi {
  return new InkAbi(json);
}

class InkAbi implements ContractAbi {
  readonly name: string;
  readonly methods: readonly string[];
  readonly #abi: Abi;

  constructor(json: string | object) {
    try {
      const document: unknown = typeof json === 'string' ? JSON.parse(json) : json;
      if (!isObject(document)) throw new RelayError('bad-abi', { details: { reason: 'it is not a JSON object' } });
      this.#abi = new Abi({ ...document });
      if (this.#abi.messages.length === 0)
        throw new RelayError('bad-abi', { details: { reason: 'it has no messages' } });
      this.name = this.#abi.info.contract.name.toString();
    } catch (error) {
      throw asRelayError(error, 'bad-abi');
    }
    this.methods = this.#abi.messages.map(({ identifier }) => identifier);
  }

  encodeCall(method: string, args: CallArguments): Uint8Array {
    const message = this.#message(method);
    const ordered = inOrder(message, args);
    checkExact(method, ordered);
    return guarded(method, () => {
      const [, input] = compactStripLength(message.toU8a([...ordered]));
      return Uint8Array.from(input);
    });
  }

  decodeCall(input: Uint8Array): DecodedCall {
    const message = this.#abi.messages.find(({ selector }) => selector.eq(input.subarray(0, selector.length)));
    if (message === undefined)
      throw this.#unknown(`of the selector 0x${Buffer.from(input.subarray(0, 4)).toString('hex')}`);
    return guarded(message.identifier, () => {
      const { args } = this.#abi.decodeMessage(compactAddLength(input));
      const length = args.reduce((sum, { encodedLength }) => sum + encodedLength, message.selector.length);
      if (length !== input.length) throw badLength(message.identifier, length, input.length);
      const named = message.args.map(({ name }, i) => [name, args[i]?.toJSON()] as const);
      return { method: message.identifier, args: Object.fromEntries(named) };
    });
  }

  encodeReturn(method: string, value: unknown): Uint8Array {
    const message = this.#message(method);
    checkExact(method, [value]);
    return guarded(method, () => this.#returned(message, value)?.toU8a() ?? new Uint8Array());
  }

  decodeReturn(method: string, output: Uint8Array): unknown {
    const message = this.#message(method);
    return guarded(method, () => {
      const value = this.#returned(message, output);
      const length = value?.encodedLength ?? 0;
      if (length !== output.length) throw badLength(method, length, output.length);
      return value?.toJSON() ?? null;
    });
  }

  #returned({ returnType }: Message, value: unknown) {
    if (returnType === null || returnType === undefined) return undefined;
    const { lookupName, type } = returnType;
    return this.#abi.registry.createType(lookupName ?? type, value);
  }

  #message(method: string): Message {
    const found = this.#abi.messages.find(({ identifier, method: camel }) => [identifier, camel].includes(method));
    if (found === undefined) throw this.#unknown(`"${method.slice(0, 100)}"`);
    return found;
  }

  #unknown(method: string): RelayError {
    const known = this.methods.slice(0, 20).join(', ');
    return new RelayError('unknown-method', { details: { contract: this.name, method, known } });
  }
}

function inOrder({ args, identifier }: Message, given: CallArguments): readonly unknown[] {
  if (isList(given)) return given;
  const names = args.map(({ name }) => name);
  const [extra] = Object.keys(given).filter((name) => !names.includes(name));
  if (extra !== undefined)
    throw bad(identifier, `it has no argument "${extra.slice(0, 100)}", but ${names.join(', ')}`);
  const [missing] = names.filter((name) => !Object.hasOwn(given, name));
  if (missing !== undefined) throw bad(identifier, `its argument "${missing}" is missing`);
  return names.map((name) => given[name]);
}

function isList(given: CallArguments): given is readonly unknown[] {
  return Array.isArray(given);
}

function guarded<T>(method: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw asRelayError(error, 'bad-arguments', { method });
  }
}

function badLength(method: string, expected: number, actual: number): RelayError {
  return bad(method, `they have ${actual} bytes, and its types take ${expected}`);
}

function bad(method: string, reason: string): RelayError {
  return new RelayError('bad-arguments', { details: { method, reason } });
}

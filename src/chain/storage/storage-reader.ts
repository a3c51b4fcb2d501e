import type { Hex } from '../../codec/index.ts';
import { expectArray, expectBytes, expectObject } from '../rpc/expect.ts';
import { RelayError } from '../../errors/index.ts';
import type { BlockReader } from './block-reader.ts';
import { inWindow } from './in-window.ts';
import { KeysAtOnce } from './keys-at-once.ts';
import { OversizedAnswer } from './oversized-answer.ts';

/** Most keys that a node lists at once. */
export const pageSize = 1_000;
/** Requests under way at once: more make a node slower again. */
export const requestsInFlight = 6;

/** Characters that an answer with values should have at most: fewer keys are asked for at once where values are long. */
const maxAnswerChars = 4 * 1024 * 1024;

type StorageSource = Pick<BlockReader, 'askAs' | 'doubt'>;

/** Keys as a node lists them. */
export interface KeyPage {
  readonly keys: readonly Hex[];
  /** Who listed them. */
  readonly url: string;
}

/** Raw storage at one block, by safe RPC calls only. */
export class StorageReader {
  readonly #reader: StorageSource;
  /** Keys whose values fit into one answer, as it was seen last. */
  readonly #atOnce = new KeysAtOnce(pageSize);

  constructor(reader: StorageSource) {
    this.#reader = reader;
  }

  /** Hex of the values, in the order of `keys`; undefined where there is none. */
  async values(keys: readonly Hex[], block: Hex, signal?: AbortSignal): Promise<(Hex | undefined)[]> {
    if (keys.length <= this.#atOnce.size) return this.#window(keys, block, signal);
    const values: (Hex | undefined)[] = [];
    for await (const window of inWindow(this.#atOnce.windows(keys), requestsInFlight, (keysOf) =>
      this.#window(keysOf, block, signal),
    ))
      for (const value of window) values.push(value);
    return values;
  }

  /** Keys that begin with `prefix`, ascending, in pages; those after `after`. Only a proof tells whether they are there. */
  async *keyPages(prefix: Hex, block: Hex, signal?: AbortSignal, after?: Hex): AsyncGenerator<KeyPage> {
    const method = 'state_getKeysPaged';
    let start: Hex | null = after ?? null;
    for (;;) {
      const parse = (answer: unknown): Hex[] =>
        expectArray(answer, method).map((key) => expectKey(key, prefix, method));
      const request = { method, params: [prefix, pageSize, start, block], block };
      const { value: page, url } = await this.#reader.askAs(request, parse, { signal });
      if (page.length > 0) yield { keys: page, url };
      const last = page.at(-1);
      if (page.length < pageSize || last === undefined || (start !== null && last <= start)) return;
      start = last;
    }
  }

  /** Values that were read do not decode. */
  doubt(reason: string): void {
    this.#reader.doubt(reason);
  }

  async #window(keys: readonly Hex[], block: Hex, signal: AbortSignal | undefined): Promise<(Hex | undefined)[]> {
    const method = 'state_queryStorageAt';
    if (keys.length === 0) return [];
    const parse = (answer: unknown): (Hex | undefined)[] => {
      const [changeSet] = expectArray(answer, method);
      if (changeSet === undefined) missingBlock(block);
      const changes = expectArray(expectObject(changeSet, method)['changes'], method);
      return inOrder(changes, keys) ?? byKey(changes, keys, method);
    };
    try {
      const request = { method, params: [keys, block], block, what: `Key ${keys[0]}` };
      const options = { signal, isDivisible: keys.length > 1 };
      const { value: values } = await this.#reader.askAs(request, parse, options);
      this.#atOnce.fitted(keys.length, reasonableOf(values));
      return values;
    } catch (error) {
      if (!(error instanceof OversizedAnswer)) throw error;
      const half = this.#atOnce.refused(keys.length);
      const values: (Hex | undefined)[] = [];
      // One after the other: each is as large as the last one taught.
      for (const part of this.#atOnce.windows(keys, half))
        for (const value of await this.#window(part, block, signal)) values.push(value);
      return values;
    }
  }
}

/** Keys of values like these whose answer is not too long. */
function reasonableOf(values: readonly (Hex | undefined)[]): number {
  let chars = 0;
  for (const value of values) chars += value?.length ?? 0;
  return Math.floor((maxAnswerChars * values.length) / Math.max(1, chars));
}

/** Nodes answer in the order asked. undefined from one that does not. */
function inOrder(changes: readonly unknown[], keys: readonly Hex[]): (Hex | undefined)[] | undefined {
  if (changes.length !== keys.length) return undefined;
  const values = new Array<Hex | undefined>(keys.length);
  for (let i = 0; i < keys.length; i++) {
    const change = changes[i];
    if (!Array.isArray(change) || change[0] !== keys[i]) return undefined;
    values[i] = valueOf(change[1]);
  }
  return values;
}

function byKey(changes: readonly unknown[], keys: readonly Hex[], method: string): (Hex | undefined)[] {
  const found = new Map<string, Hex | undefined>();
  for (const change of changes) {
    const [key, value] = expectArray(change, method);
    if (typeof key === 'string') found.set(key.toLowerCase(), valueOf(value));
  }
  return keys.map((key) => found.get(key));
}

const digits = /[0-9a-f]*$/y;
/** Of a key, more than any of these maps has: what a node lists goes on to others. */
const maxKeyChars = 512;

/** Whole bytes: a node would refuse whatever names another key, and who listed it would not be known. */
function expectKey(key: unknown, prefix: Hex, method: string): Hex {
  if (typeof key === 'string' && key.length > maxKeyChars) throw tooLong(method);
  if (typeof key !== 'string' || !key.startsWith(prefix) || key.length % 2 !== 0) return expectBytes(key, method);
  digits.lastIndex = prefix.length;
  return digits.test(key) ? (key as Hex) : expectBytes(key, method);
}

function tooLong(method: string): RelayError {
  const reason = `its answer makes no sense: a key in it has more than ${maxKeyChars} characters`;
  return new RelayError('rpc-failed', { details: { method, reason } });
}

/** Whether it is hex is seen when it is decoded. */
function valueOf(value: unknown): Hex | undefined {
  return typeof value === 'string' ? (value as Hex) : undefined;
}

/** Some nodes answer with nothing instead of an error. */
function missingBlock(block: Hex): never {
  throw new RelayError('state-discarded', { details: { block, reason: 'the node has no such block' } });
}

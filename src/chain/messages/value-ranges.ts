import type { Connection } from '../rpc/connection.ts';
import { isMethodMissing, RpcError } from '../rpc/rpc-error.ts';
import { RawText } from '../rpc/raw-text.ts';
import { skimText } from '../rpc/skim-json.ts';
import { saysMissing } from '../storage/block-reader.ts';
import { isOversize, OversizedAnswer } from '../storage/oversized-answer.ts';
import type { Hex } from '../../codec/index.ts';
import type { BlockAnchor } from './block-anchor.ts';
import type { StoredMessages } from './outbound-value.ts';

/** RPCs that only trusted clients get, as of one's own node: it reads the state of many blocks for one request. */
const method = 'state_queryStorage';
/** Ranges in a row that a node may not give before it is asked for none any more. */
const maxRefusals = 3;

/**
 * Reads a value in a row of blocks by one request. The node lists it at the first one and at each where it differs from the
 * block before, along the parents of the last. Whatever it refuses, and what is no such list, is left to who reads each
 * block by itself.
 */
export class ValueRanges {
  readonly #connection: Connection;
  readonly #key: Hex;
  /** In a row, by endpoint. */
  readonly #refusals = new Map<string, number>();

  constructor(connection: Connection, key: Hex) {
    this.#connection = connection;
    this.#key = key;
  }

  /**
   * Of each of the blocks, which follow one another; a value that stays is given again. undefined where it can't be had
   * so. Throws OversizedAnswer, chain-unreachable, aborted, chain-stopped.
   */
  async read(blocks: readonly BlockAnchor[], signal: AbortSignal): Promise<(StoredMessages | undefined)[] | undefined> {
    const [first] = blocks;
    const last = blocks.at(-1);
    if (first === undefined || last === undefined || first === last) return undefined;
    const asked = (await this.#connection.session({ signal })).socket.url;
    if ((this.#refusals.get(asked) ?? 0) >= maxRefusals) return undefined;
    try {
      const { result, url } = await this.#connection.ask(method, [[this.#key], first.hash, last.hash], {
        signal,
        reader: skimText,
      });
      const values = valuesIn(result, this.#key, blocks);
      if (values === undefined) this.#refusals.set(url, maxRefusals);
      else if ((this.#refusals.get(url) ?? 0) < maxRefusals) this.#refusals.delete(url);
      return values;
    } catch (error) {
      if (!(error instanceof RpcError)) throw error;
      // Of other blocks it may give them: those that are not so full, or whose state it has.
      if (isOversize(error)) throw new OversizedAnswer(error.reason);
      if (saysMissing(error.reason)) return undefined;
      this.#refusals.set(error.url, isMethodMissing(error) ? maxRefusals : (this.#refusals.get(error.url) ?? 0) + 1);
      return undefined;
    }
  }
}

/** undefined for what is no list of the changes of these blocks. */
function valuesIn(result: unknown, key: Hex, blocks: readonly BlockAnchor[]) {
  if (!Array.isArray(result)) return undefined;
  const values: (StoredMessages | undefined)[] = [];
  let value: StoredMessages | undefined;
  for (const set of result as readonly unknown[]) {
    const change = changeIn(set, key);
    if (change === undefined) return undefined;
    while (values.length > 0 && values.length < blocks.length && blocks[values.length]?.hash !== change.block)
      values.push(value);
    if (blocks[values.length]?.hash !== change.block) return undefined;
    ({ value } = change);
    values.push(value);
  }
  if (values.length === 0) return undefined;
  while (values.length < blocks.length) values.push(value);
  return values;
}

function changeIn(set: unknown, key: Hex) {
  const { block, changes } = (set ?? {}) as { readonly block?: unknown; readonly changes?: unknown };
  const [change, ...others] = Array.isArray(changes) ? (changes as readonly unknown[]) : [];
  if (typeof block !== 'string' || !Array.isArray(change) || others.length > 0) return undefined;
  const [name, value] = change as readonly unknown[];
  if (name !== key) return undefined;
  if (value === null || value === undefined) return { block, value: undefined };
  const stored = asStored(value);
  return stored && { block, value: stored };
}

/** What a node gives as a value; undefined for what is no text. */
export function asStored(value: unknown): RawText | undefined {
  if (value instanceof RawText) return value;
  return typeof value === 'string' ? RawText.of(value) : undefined;
}

import { fromHex, type Hex } from '../../codec/index.ts';
import { isRelayError, RelayError } from '../../errors/index.ts';
import type { Head } from '../chain.ts';
import type { Connection } from '../rpc/connection.ts';
import { expectArray, expectObject } from '../rpc/expect.ts';
import { inWindow } from '../storage/in-window.ts';
import type { BlockReader } from '../storage/block-reader.ts';
import { OversizedAnswer } from '../storage/oversized-answer.ts';
import { lookUp } from './look-up.ts';
import { loadHash256, ProofNodes } from './proof-nodes.ts';
import type { Done, Missing } from './walk-map.ts';

/** Keys whose proofs are asked for at once. */
const keysAtOnce = 1_000;
/** Requests under way at once: more make a node slower (pitfalls.md). */
const requestsInFlight = 4;
const method = 'state_getReadProof';

/** What becomes of a proof, or what it lacks. Called again with more of it; throws bad-proof. */
export type Work<T> = (nodes: ProofNodes, root: Uint8Array) => Done<T> | Missing;

/** A block whose header hashes to its hash, so that its state root can be held against proofs. */
export type ProvenBlock = Pick<Head, 'number' | 'hash' | 'stateRoot'>;

/**
 * Reads storage by proofs and holds them against the state root. An endpoint whose proof does not hold is named in a
 * log, left for good, and the next one is asked.
 */
export class ProofReader {
  readonly #connection: Connection;
  readonly #reader: BlockReader;

  constructor(connection: Connection, reader: BlockReader) {
    this.#connection = connection;
    this.#reader = reader;
  }

  /**
   * What `work` makes of the proof of `keys` (hex digits); it is called again with more of the proof as long as it says
   * what is missing. Throws proofs-unavailable, node-lies where no endpoint is left, state-discarded, chain-unreachable.
   */
  async prove<T>(block: ProvenBlock, keys: readonly string[], work: Work<T>, signal?: AbortSignal): Promise<T> {
    const root = fromHex(block.stateRoot);
    for (;;) {
      const nodes = new ProofNodes(await loadHash256());
      const urls = new Set<string>();
      try {
        return await this.#proveOnce({ block, root, nodes, urls, signal }, keys, work);
      } catch (error) {
        if (!isRelayError(error, 'bad-proof')) throw error;
        this.#blame(urls, block.hash, String(error.details?.['reason']));
      }
    }
  }

  /** Proven values, in the order of `keys` (0x-hex); undefined where the proof shows that there is none. */
  async values(block: ProvenBlock, keys: readonly Hex[], signal?: AbortSignal): Promise<(Uint8Array | undefined)[]> {
    const digits = keys.map(digitsOf);
    const work: Work<(Uint8Array | undefined)[]> = (nodes, root) => {
      const found = digits.map((key) => lookUp(nodes, root, key));
      const missing = digits.filter((_, i) => found[i] === undefined);
      return missing.length > 0 ? { missing } : { done: found.map((known) => known?.is) };
    };
    return this.prove(block, digits, work, signal);
  }

  async #proveOnce<T>(
    { block, root, nodes, urls, signal }: Attempt,
    keys: readonly string[],
    work: Work<T>,
  ): Promise<T> {
    const asked: (readonly string[])[] = [];
    for (let wanted = keys; ;) {
      asked.push(wanted);
      await this.#fetch(wanted, block.hash, nodes, urls, signal);
      const result = work(nodes, root);
      if ('done' in result) return result.done;
      const missing = [...new Set(result.missing)];
      const known = new Set(asked.flat());
      const withheld = missing.find((key) => known.has(key));
      if (withheld !== undefined)
        throw new RelayError('bad-proof', { details: { reason: `it leaves out ${withheld}` } });
      wanted = missing;
    }
  }

  async #fetch(
    keys: readonly string[],
    block: Hex,
    nodes: ProofNodes,
    urls: Set<string>,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const windows: (readonly string[])[] = [];
    for (let start = 0; start < keys.length; start += keysAtOnce) windows.push(keys.slice(start, start + keysAtOnce));
    const read = (window: readonly string[]) => this.#window(window, block, urls, signal);
    for await (const proofs of inWindow(windows, requestsInFlight, read)) for (const proof of proofs) nodes.add(proof);
  }

  async #window(
    keys: readonly string[],
    block: Hex,
    urls: Set<string>,
    signal: AbortSignal | undefined,
  ): Promise<(readonly unknown[])[]> {
    try {
      const { result, url } = await this.#reader.ask(method, [keys.map(wholeBytes), block], block, signal);
      urls.add(url);
      return [expectArray(expectObject(result, method)['proof'], method)];
    } catch (error) {
      if (error instanceof OversizedAnswer && keys.length > 1) {
        const half = keys.length >> 1;
        const parts = [keys.slice(0, half), keys.slice(half)];
        return (await Promise.all(parts.map((part) => this.#window(part, block, urls, signal)))).flat();
      }
      if (!isUnavailable(error)) throw error;
      throw await this.unavailable(String(error.details?.['reason']), signal, error);
    }
  }

  /** proofs-unavailable, of the node in use. */
  async unavailable(reason: string, signal?: AbortSignal, cause?: unknown): Promise<RelayError> {
    const { socket } = await this.#connection.session({ signal });
    return new RelayError('proofs-unavailable', { details: { url: socket.url, reason }, cause });
  }

  #blame(urls: ReadonlySet<string>, block: Hex, reason: string): void {
    // Where a failover came between two parts of a proof nobody knows whose part was wrong: it is asked for once more.
    const [url] = urls;
    if (url === undefined || urls.size > 1) return;
    const lie = new RelayError('node-lies', { details: { url, block, reason } });
    this.#connection.leave(url, lie);
  }
}

interface Attempt {
  readonly block: ProvenBlock;
  readonly root: Uint8Array;
  readonly nodes: ProofNodes;
  /** Who answered. */
  readonly urls: Set<string>;
  readonly signal: AbortSignal | undefined;
}

export function digitsOf(key: Hex): string {
  return key.slice(2).toLowerCase();
}

/** A path that ends within a byte leads to the same nodes when it goes on in one of its children. */
function wholeBytes(path: string): Hex {
  return `0x${path}${path.length % 2 === 0 ? '' : '0'}`;
}

/** Whether a node that refused a proof gives none at all. */
export function isUnavailable(error: unknown): error is RelayError {
  return isRelayError(error, 'rpc-failed') && /method not found|unsafe|not (supported|available)/i.test(error.message);
}

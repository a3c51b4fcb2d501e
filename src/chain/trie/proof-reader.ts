import { fromHex, type Hex } from '../../codec/index.ts';
import { isRelayError, RelayError } from '../../errors/index.ts';
import type { Head } from '../head/head.ts';
import type { Connection } from '../rpc/connection.ts';
import { standsAt } from '../rpc/frame.ts';
import { RawText } from '../rpc/raw-text.ts';
import { saysUnavailable } from '../rpc/rpc-error.ts';
import { inWindow } from '../storage/in-window.ts';
import { KeysAtOnce } from '../storage/keys-at-once.ts';
import type { BlockReader } from '../storage/block-reader.ts';
import { OversizedAnswer } from '../storage/oversized-answer.ts';
import { lookUp } from './look-up.ts';
import { loadHash256, ProofNodes, type Proof } from './proof-nodes.ts';
import { HashedNodes, type ProofsModule } from './proofs-module.ts';
import type { Done, Missing } from './walk-map.ts';

/** Keys whose proofs are asked for at once, at most: somewhat more than a page, with the end of the page before it. */
const maxKeysAtOnce = 1_024;
/** Requests under way at once: more make a node slower. */
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
  #hash: ProofsModule | undefined;
  /** Keys whose proof fits into one answer. */
  readonly #atOnce = new KeysAtOnce(maxKeysAtOnce);

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
    const nodes = new ProofNodes((this.#hash ??= await loadHash256()));
    /** Who answered for a key, last. */
    const answered = new Map<string, string>();
    for (let wanted = keys; ;) {
      const parts = await this.#fetch(wanted, block.hash, nodes, signal);
      const result = work(nodes, root);
      if ('done' in result) return result.done;
      for (const { url, window } of parts) for (const key of window) answered.set(key, url);
      wanted = [...new Set(result.missing)];
      // The proof of a key holds all on the way to it: whoever answered for it left that out, or made it up.
      for (const key of wanted) {
        const url = answered.get(key);
        if (url !== undefined) this.blame(url, block.hash, `it leaves out ${key}`);
      }
    }
  }

  /** proofs-unavailable, of the node in use. */
  async unavailable(reason: string, signal?: AbortSignal): Promise<RelayError> {
    const { socket } = await this.#connection.session({ signal });
    return new RelayError('proofs-unavailable', { details: { url: socket.url, reason } });
  }

  /** Leaves an endpoint that lies about a block. */
  blame(url: string, block: Hex, reason: string): void {
    this.#connection.leave(url, new RelayError('node-lies', { details: { url, block, reason } }));
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

  /** Puts the proofs of keys to the nodes; tells who gave which. What is no proof is asked for again, of another node. */
  async #fetch(
    keys: readonly string[],
    block: Hex,
    nodes: ProofNodes,
    signal: AbortSignal | undefined,
  ): Promise<readonly ProvenWindow[]> {
    const proven: ProvenWindow[] = [];
    for (let left = keys; left.length > 0;) {
      const refused: string[] = [];
      const put = (parts: readonly ProofPart[]): void => {
        for (const part of parts)
          if (this.#isPut(part, block, nodes)) proven.push(part);
          else refused.push(...part.window);
      };
      const read = (window: readonly string[]): Promise<ProofPart[]> => this.#window(window, block, nodes.hash, signal);
      if (left.length <= this.#atOnce.size) put(await read(left));
      else for await (const parts of inWindow(this.#atOnce.windows(left), requestsInFlight, read)) put(parts);
      left = refused;
    }
    return proven;
  }

  /** False where the part is no proof: then who gave it is left. */
  #isPut({ proof, url }: ProofPart, block: Hex, nodes: ProofNodes): boolean {
    try {
      nodes.add(proof);
      return true;
    } catch (error) {
      if (!isRelayError(error, 'bad-proof')) throw error;
      this.blame(url, block, String(error.details?.['reason']));
      return false;
    }
  }

  async #window(
    keys: readonly string[],
    block: Hex,
    hash: ProofsModule,
    signal: AbortSignal | undefined,
  ): Promise<ProofPart[]> {
    const request = { method, params: [keys.map(wholeBytes), block], block };
    let oversized = 0;
    const reader = (text: RawText): HashedNodes | undefined => {
      const list = listIn(text);
      return list && hash.nodesIn(list.bytes);
    };
    for (;;)
      try {
        const { result, url } = await this.#reader.ask(request, { signal, reader, isDivisible: true });
        const proof = proofIn(result);
        if (proof !== undefined) {
          this.#atOnce.fitted(keys.length);
          return [{ proof, url, window: keys }];
        }
        this.blame(url, block, 'its proof is no list');
      } catch (error) {
        if (!(error instanceof OversizedAnswer)) throw isUnavailable(error) ? withoutProofs(error) : error;
        if (keys.length > 1) {
          const half = this.#atOnce.refused(keys.length);
          const parts: ProofPart[] = [];
          // One after the other: no more requests are under way than before, and each is as large as the last one taught.
          for (const part of this.#atOnce.windows(keys, half))
            parts.push(...(await this.#window(part, block, hash, signal)));
          return parts;
        }
        const what = `The proof of ${keys.join()}`;
        if (++oversized >= this.#connection.options.endpoints.length)
          throw new RelayError('bad-storage', { details: { what, block, reason: error.message }, cause: error });
        // Another one may take more.
        this.#reader.doubt(error.message);
      }
  }
}

/** Keys whose proof is there. */
interface ProvenWindow {
  /** Who answered. */
  readonly url: string;
  readonly window: readonly string[];
}

interface ProofPart extends ProvenWindow {
  readonly proof: Proof;
}

const ascii = new TextEncoder();
const beforeHash = ascii.encode('{"at":"0x');
const beforeList = ascii.encode('","proof":');
const behindList = ascii.encode('}');
const hashDigits = 64;
const listAt = beforeHash.length + hashDigits + beforeList.length;

/**
 * The text of the list in an answer to `state_getReadProof` in the words of Substrate nodes, looked at no further; undefined
 * for any other answer, which JSON may read.
 */
export function listIn({ frame, start, end }: RawText): RawText | undefined {
  const list = start + listAt;
  const listEnd = end - behindList.length;
  const isUsual =
    standsAt(frame, start, beforeHash) &&
    standsAt(frame, list - beforeList.length, beforeList) &&
    standsAt(frame, listEnd, behindList);
  return isUsual && listEnd > list ? new RawText(frame, list, listEnd) : undefined;
}

/** The list in an answer to `state_getReadProof`. */
export function proofIn(result: unknown): Proof | undefined {
  if (result instanceof HashedNodes) return result;
  const proof = typeof result === 'object' && result !== null && 'proof' in result ? result.proof : undefined;
  return Array.isArray(proof) ? (proof as unknown[]) : undefined;
}

export function digitsOf(key: Hex): string {
  return key.slice(2).toLowerCase();
}

/** A path that ends within a byte leads to the same nodes when it goes on in one of its children. */
function wholeBytes(path: string): Hex {
  return `0x${path}${path.length % 2 === 0 ? '' : '0'}`;
}

/** Whether all nodes refused a proof because they give none at all. */
export function isUnavailable(error: unknown): error is RelayError {
  return isRelayError(error, 'rpc-failed') && saysUnavailable(error.message);
}

/** That error in the words of who wanted a proof. */
export function withoutProofs(error: RelayError): RelayError {
  const { url, reason } = error.details ?? {};
  return new RelayError('proofs-unavailable', { details: { url: String(url), reason: String(reason) }, cause: error });
}

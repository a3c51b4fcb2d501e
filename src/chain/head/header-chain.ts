import { fromHex, type Hex } from '../../codec/index.ts';
import { isRelayError, RelayError } from '../../errors/index.ts';
import { abortable, throwIfAborted } from '../abort.ts';
import type { BlockId, Head } from './head.ts';
import type { BlockNumber } from '../block-number.ts';
import type { EndpointBlocks } from '../quorum/endpoint-blocks.ts';
import type { Quorum } from '../quorum/quorum.ts';
import type { Answer, Connection, PatientOptions } from '../rpc/connection.ts';
import type { Refusals } from '../rpc/refusals.ts';
import type { BlockReader, BlockRequest } from '../storage/block-reader.ts';
import { hexDigits } from '../storage/fast-hex.ts';
import { inWindow } from '../storage/in-window.ts';
import { loadHash256 } from '../trie/proof-nodes.ts';
import type { HashRuns } from './hash-runs.ts';
import { headerOf } from './header-of.ts';
import type { Header } from './header.ts';
import { headerIn, headerText, linksOf, type HeaderLink } from './header-texts.ts';

const method = 'chain_getHeader';
/** Headers that are linked at once and held, 64 bytes each: what a backlog of any length takes of memory. */
const segmentLength = 16_384;
const framesInFlight = 4;
/** Headers that are read at once: one frame each way. */
const headersAtOnce = 64;
const hashLength = 32;
const entryLength = 2 * hashLength;

export interface HeaderChainParts {
  readonly connection: Connection;
  readonly blocks: BlockReader;
  readonly hashes: HashRuns;
  /** What each endpoint by itself has finalized. */
  readonly finalized: Pick<EndpointBlocks, 'hashAt'>;
  readonly quorum: Pick<Quorum, 'hashAt' | 'trust'>;
  readonly refusals: Refusals;
  /** The chain's own way to hash a header. */
  readonly hashOf: (header: Header) => Hex;
}

/** Consecutive blocks, the last of which is trusted, each the parent of the next by its hash. */
export class HeaderSegment {
  readonly first: BlockNumber;
  readonly last: BlockId;
  /** Of the first block. */
  readonly parentHash: Hex;
  readonly #entries: Uint8Array;

  constructor(first: BlockNumber, last: BlockId, parentHash: Hex, entries: Uint8Array) {
    this.first = first;
    this.last = last;
    this.parentHash = parentHash;
    this.#entries = entries;
  }

  hash(number: BlockNumber): Hex {
    return this.#part(number, 0);
  }

  stateRoot(number: BlockNumber): Hex {
    return this.#part(number, hashLength);
  }

  /** A view of what is held of all of them. */
  stateRootBytes(number: BlockNumber): Uint8Array {
    const at = this.#placeOf(number) + hashLength;
    return this.#entries.subarray(at, at + hashLength);
  }

  /** All of them, oldest first. */
  *heads(): Generator<Head> {
    let { parentHash } = this;
    for (let number = this.first; number <= this.last.number; number++) {
      const hash = this.hash(number);
      yield { number, hash, parentHash, stateRoot: this.stateRoot(number) };
      parentHash = hash;
    }
  }

  #part(number: BlockNumber, offset: number): Hex {
    const at = this.#placeOf(number) + offset;
    return `0x${hexDigits(this.#entries, at, at + hashLength)}`;
  }

  #placeOf(number: BlockNumber): number {
    return (number - this.first) * entryLength;
  }
}

/**
 * Headers between two blocks, held against the hash of the later one: a header hashes to its block's hash, and names its
 * parent's. What a node says by number is only a hint of what to ask for.
 */
export class HeaderChain {
  readonly #connection: Connection;
  readonly #blocks: BlockReader;
  readonly #hashes: HashRuns;
  readonly #finalized: Pick<EndpointBlocks, 'hashAt'>;
  readonly #quorum: Pick<Quorum, 'hashAt' | 'trust'>;
  readonly #refusals: Refusals;
  readonly #hashOf: (header: Header) => Hex;
  #newest: { readonly first: BlockNumber; readonly last: Hex; readonly segment: Promise<HeaderSegment> } | undefined;

  constructor({ connection, blocks, hashes, finalized, quorum, refusals, hashOf }: HeaderChainParts) {
    this.#connection = connection;
    this.#blocks = blocks;
    this.#hashes = hashes;
    this.#finalized = finalized;
    this.#quorum = quorum;
    this.#refusals = refusals;
    this.#hashOf = hashOf;
  }

  /**
   * From `first` up to `trusted`, in pieces, oldest first. All headers are linked before the first piece is given: where
   * there are more than one piece holds, those above are read twice. Throws node-lies where no endpoint is left,
   * state-discarded where no endpoint has one of the headers, or where the finalized blocks do not lead to `trusted` and
   * nobody but who told of it has it, aborted.
   */
  async *segments(first: BlockNumber, trusted: BlockId, signal?: AbortSignal): AsyncGenerator<HeaderSegment> {
    const ends = [trusted];
    for (let end = trusted; end.number - first >= segmentLength; ends.push(end)) {
      const lowest = end.number - segmentLength + 1;
      const { parentHash } = await abortable(this.#read(lowest, end), signal);
      end = { number: lowest - 1, hash: parentHash };
    }
    let from = first;
    for (let end = ends.pop(); end !== undefined; end = ends.pop()) {
      yield await abortable(this.#shared(from, end), signal);
      from = end.number + 1;
    }
  }

  /** Those who follow the chain side by side read headers once. */
  #shared(first: BlockNumber, last: BlockId): Promise<HeaderSegment> {
    const known = this.#newest;
    if (known?.last === last.hash && known.first === first) return known.segment;
    const segment = this.#read(first, last);
    const entry = { first, last: last.hash, segment };
    this.#newest = entry;
    segment.catch(() => {
      if (this.#newest === entry) this.#newest = undefined;
    });
    return segment;
  }

  async #read(first: BlockNumber, last: BlockId): Promise<HeaderSegment> {
    const entries = new Uint8Array((last.number - first + 1) * entryLength);
    let { number, hash } = last;
    // Each pass goes down as far as what the node says by number is true.
    while (number >= first) {
      const { hashes, url } = await this.#listed(first, number, hash);
      const headers = await this.#headers(hashes);
      for (let i = headers.length - 1; i >= 0 && hashes[i] === hash; i--) {
        const link = headers[i] ?? linkOf(hash, await this.#header(hash));
        const at = (number - first) * entryLength;
        entries.set(link.hash, at);
        entries.set(link.stateRoot, at + hashLength);
        hash = link.parentHash;
        number -= 1;
      }
      if (number >= first) await this.#settle(last, { url, number, hash });
    }
    return new HeaderSegment(first, last, hash, entries);
  }

  /** What the node says the hashes are; the last is known. */
  async #listed(first: BlockNumber, last: BlockNumber, hash: Hex): Promise<{ hashes: readonly Hex[]; url: string }> {
    if (first === last) return { hashes: [hash], url: '' };
    const { hashes, url } = await this.#hashes.of(first, last - 1);
    return { hashes: [...hashes, hash], url };
  }

  /** Of blocks by hash; each hashes to that. undefined where the node has none, as for a block that was made up. */
  async #headers(hashes: readonly Hex[]): Promise<(HeaderLink | undefined)[]> {
    const headers: (HeaderLink | undefined)[] = [];
    const frames: (readonly Hex[])[] = [];
    for (let at = 0; at < hashes.length; at += headersAtOnce) frames.push(hashes.slice(at, at + headersAtOnce));
    const read = (frame: readonly Hex[]): Promise<(HeaderLink | undefined)[]> => this.#frame(frame);
    for await (const frame of inWindow(frames, framesInFlight, read)) headers.push(...frame);
    return headers;
  }

  /** Others may wait for it too: it ends with the connection, not with who asked, and not while there is no node. */
  get #patient(): PatientOptions {
    return { signal: this.#connection.stopped, patienceMs: Infinity };
  }

  async #frame(hashes: readonly Hex[]): Promise<(HeaderLink | undefined)[]> {
    const requests = hashes.map(requestFor);
    const answers = await this.#blocks.askAll(requests, { ...this.#patient, reader: headerText });
    const links = linksOf(answers, hashes, await loadHash256());
    return hashes.map((hash, i) => {
      const link = links?.[i];
      if (link !== undefined) return link;
      const answer = answers[i];
      const header = answer === undefined || answer instanceof RelayError ? undefined : this.#checked(hash, answer);
      return header && linkOf(hash, header);
    });
  }

  /** Alone, at whatever endpoint has it. Throws state-discarded where none has. */
  async #header(hash: Hex): Promise<Header> {
    for (let refused = 1; ;)
      try {
        const parse = (result: unknown, url: string): Header => headerOf(hash, result, url, this.#hashOf);
        return (await this.#blocks.askAs(requestFor(hash), parse, this.#patient)).value;
      } catch (error) {
        if (!isRelayError(error, 'rpc-failed')) throw error;
        await this.#refusals.wait(method, refused++, error, this.#patient.signal);
      }
  }

  #checked(hash: Hex, { result, url }: Answer): Header | undefined {
    if (result === null) return undefined;
    try {
      return headerOf(hash, headerIn(result), url, this.#hashOf);
    } catch (error) {
      if (isRelayError(error, 'node-lies')) this.#connection.leave(url, error);
      else if (isRelayError(error, 'rpc-failed')) this.#connection.distrust(url, error.message);
      else throw error;
      return undefined;
    }
  }

  /**
   * What a node gives by number does not lead to the trusted block. Who says itself that it has that one contradicts itself,
   * and is left; else it may be the block that was made up, by whoever told of it, unless enough endpoints agree on it.
   */
  async #settle(trusted: BlockId, { url, number, hash }: Mismatch): Promise<void> {
    this.#hashes.forget();
    if (!(await this.#hasItself(url, trusted)) && !(await this.#isAgreed(trusted))) {
      const reason = `the finalized blocks of ${url} do not lead to it, and too few others have it`;
      throw new RelayError('state-discarded', { details: { block: trusted.hash, reason } });
    }
    const reason = `it gives another hash than ${hash}, to which later blocks lead`;
    this.#connection.leave(url, new RelayError('node-lies', { details: { url, block: number, reason } }));
  }

  async #hasItself(url: string, { number, hash }: BlockId): Promise<boolean> {
    try {
      return (await this.#finalized.hashAt(url, number)) === hash;
    } catch {
      // It says nothing that holds: it is for the others to say.
      throwIfAborted(this.#connection.stopped);
      return false;
    }
  }

  /** Whoever has another one than enough others agree on is left for that. */
  async #isAgreed({ number, hash }: BlockId): Promise<boolean> {
    if (this.#quorum.trust === 'single') return false;
    const { timeoutMs } = this.#connection.options;
    try {
      return (await this.#quorum.hashAt(number, { signal: this.#connection.stopped, patienceMs: timeoutMs })) === hash;
    } catch (error) {
      if (isRelayError(error, 'no-quorum') || isRelayError(error, 'endpoints-disagree')) return false;
      throw error;
    }
  }
}

/** What a node gives for a number, where later blocks lead to `hash`. */
interface Mismatch {
  readonly url: string;
  readonly number: BlockNumber;
  readonly hash: Hex;
}

function linkOf(hash: Hex, { parentHash, stateRoot }: Header): HeaderLink {
  return { hash: fromHex(hash), parentHash, stateRoot: fromHex(stateRoot) };
}

function requestFor(hash: Hex): BlockRequest {
  return { method, params: [hash], block: hash };
}

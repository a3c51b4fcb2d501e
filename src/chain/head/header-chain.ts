import type { Hex } from '../../codec/index.ts';
import { isRelayError, RelayError } from '../../errors/index.ts';
import { abortable, throwIfAborted } from '../abort.ts';
import type { BlockId } from './head.ts';
import type { BlockNumber } from '../block-number.ts';
import type { EndpointBlocks } from '../quorum/endpoint-blocks.ts';
import type { Quorum } from '../quorum/quorum.ts';
import type { Connection } from '../rpc/connection.ts';
import type { HashRuns } from './hash-runs.ts';
import { HeaderLinks } from './header-links.ts';
import { HeaderSegment } from './header-segment.ts';
import { LinkReader, type LinkReaderParts } from './link-reader.ts';

/** Headers that are linked at once and held, 64 bytes each: what a backlog of any length takes of memory. */
const segmentLength = 16_384;

export interface HeaderChainParts extends LinkReaderParts {
  readonly hashes: HashRuns;
  /** What each endpoint by itself has finalized. */
  readonly finalized: Pick<EndpointBlocks, 'hashAt'>;
  readonly quorum: Pick<Quorum, 'hashAt' | 'trust'>;
}

/**
 * Headers between two blocks, held against the hash of the later one: a header hashes to its block's hash, and names its
 * parent's. What a node says by number is only a hint of what to ask for.
 */
export class HeaderChain {
  readonly #connection: Connection;
  readonly #reader: LinkReader;
  readonly #hashes: HashRuns;
  readonly #finalized: Pick<EndpointBlocks, 'hashAt'>;
  readonly #quorum: Pick<Quorum, 'hashAt' | 'trust'>;
  #newest: { readonly first: BlockNumber; readonly last: Hex; readonly segment: Promise<HeaderSegment> } | undefined;

  constructor(parts: HeaderChainParts) {
    this.#connection = parts.connection;
    this.#reader = new LinkReader(parts);
    this.#hashes = parts.hashes;
    this.#finalized = parts.finalized;
    this.#quorum = parts.quorum;
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
    const links = new HeaderLinks(last.number - first + 1);
    let { number, hash } = last;
    // Each pass goes down as far as what the node says by number is true.
    while (number >= first) {
      const { hashes, url } = await this.#listed(first, number, hash);
      await this.#reader.read(hashes, links);
      for (let place = hashes.length - 1; place >= 0 && hashes[place] === hash; place--) {
        if (!links.has(place)) links.putHeader(place, hash, await this.#reader.readAlone(hash));
        hash = links.parentHash(place, hashes[place - 1]);
        number -= 1;
      }
      if (number >= first) await this.#settle(last, { url, number, hash });
    }
    return new HeaderSegment(first, last, hash, links.entries);
  }

  /** What the node says the hashes are; the last is known. */
  async #listed(first: BlockNumber, last: BlockNumber, hash: Hex): Promise<{ hashes: readonly Hex[]; url: string }> {
    if (first === last) return { hashes: [hash], url: '' };
    const { hashes, url } = await this.#hashes.of(first, last - 1);
    return { hashes: [...hashes, hash], url };
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

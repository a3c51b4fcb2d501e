import { fromHex, toHex, type Hex } from '../../codec/index.ts';
import { RelayError } from '../../errors/index.ts';
import type { BlockNumber } from '../chain.ts';
import { hashHeader, parseHeader, type Header } from '../head/header.ts';
import type { Answer, Connection } from '../rpc/connection.ts';
import type { BlockReader } from '../storage/block-reader.ts';
import { inWindow } from '../storage/in-window.ts';
import { loadHash256, type Hash256 } from '../trie/proof-nodes.ts';
import { blocksAtOnce, type BlockId } from './block-anchor.ts';
import type { HashRuns } from './hash-runs.ts';

const method = 'chain_getHeader';
/** Headers that are linked at once and held, 64 bytes each: what a backlog of any length takes of memory. */
const segmentLength = 16_384;
const framesInFlight = 4;
const hashLength = 32;
const entryLength = 2 * hashLength;

export interface HeaderChainParts {
  readonly connection: Connection;
  readonly blocks: BlockReader;
  readonly hashes: HashRuns;
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

  #part(number: BlockNumber, offset: number): Hex {
    const at = (number - this.first) * entryLength + offset;
    return toHex(this.#entries.subarray(at, at + hashLength));
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
  #newest: { readonly first: BlockNumber; readonly last: Hex; readonly segment: Promise<HeaderSegment> } | undefined;

  constructor({ connection, blocks, hashes }: HeaderChainParts) {
    this.#connection = connection;
    this.#blocks = blocks;
    this.#hashes = hashes;
  }

  /**
   * From `first` up to `trusted`, in pieces, oldest first. All headers are linked before the first piece is given: where
   * there are more than one piece holds, those above are read twice. Throws node-lies where no endpoint is left,
   * state-discarded, chain-unreachable.
   */
  async *segments(first: BlockNumber, trusted: BlockId): AsyncGenerator<HeaderSegment> {
    const ends = [trusted];
    for (let end = trusted; end.number - first >= segmentLength; ends.push(end)) {
      const lowest = end.number - segmentLength + 1;
      const { parentHash } = await this.#read(lowest, end);
      end = { number: lowest - 1, hash: parentHash };
    }
    let from = first;
    for (let end = ends.pop(); end !== undefined; end = ends.pop()) {
      yield await this.#shared(from, end);
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
    const hash256 = await loadHash256();
    const entries = new Uint8Array((last.number - first + 1) * entryLength);
    let { number, hash } = last;
    // Each pass goes down as far as what the node says by number is true.
    while (number >= first) {
      const { hashes, url } = await this.#listed(first, number, hash);
      const headers = await this.#headers(hashes, hash256);
      for (let i = headers.length - 1; i >= 0 && hashes[i] === hash; i--) {
        const header = headers[i];
        if (header === undefined || header instanceof RelayError) throw header ?? noSuchBlock(hash);
        const at = (number - first) * entryLength;
        entries.set(fromHex(hash), at);
        entries.set(fromHex(header.stateRoot), at + hashLength);
        hash = header.parentHash;
        number -= 1;
      }
      if (number >= first) this.#blame(url, number, hash);
    }
    return new HeaderSegment(first, last, hash, entries);
  }

  /** What the node says the hashes are; the last is known. */
  async #listed(first: BlockNumber, last: BlockNumber, hash: Hex): Promise<{ hashes: readonly Hex[]; url: string }> {
    if (first === last) return { hashes: [hash], url: '' };
    const { hashes, url } = await this.#hashes.of(first, last - 1);
    return { hashes: [...hashes, hash], url };
  }

  /** Of blocks by hash; each hashes to that. An error for a block that no endpoint has, as one that was made up. */
  async #headers(hashes: readonly Hex[], hash256: Hash256): Promise<(Header | RelayError)[]> {
    const headers: (Header | RelayError)[] = [];
    const frames: (readonly Hex[])[] = [];
    for (let at = 0; at < hashes.length; at += blocksAtOnce) frames.push(hashes.slice(at, at + blocksAtOnce));
    const read = (frame: readonly Hex[]): Promise<(Header | RelayError)[]> => this.#frame(frame, hash256);
    for await (const frame of inWindow(frames, framesInFlight, read)) headers.push(...frame);
    return headers;
  }

  async #frame(hashes: readonly Hex[], hash256: Hash256): Promise<(Header | RelayError)[]> {
    const requests = hashes.map((hash) => ({ method, params: [hash], block: hash }));
    const answers = await this.#blocks.askAll(requests, this.#connection.stopped);
    const headers: (Header | RelayError)[] = [];
    for (const [i, hash] of hashes.entries()) headers.push(await this.#checked(hash, answers[i], hash256));
    return headers;
  }

  async #checked(hash: Hex, first: Answer | RelayError | undefined, hash256: Hash256): Promise<Header | RelayError> {
    for (let answer = first; ;) {
      if (answer instanceof RelayError) return answer;
      if (answer === undefined || answer.result === null) return noSuchBlock(hash);
      const header = parseHeader(answer.result);
      if (hashHeader(header, hash256) === hash) return header;
      const details = { url: answer.url, block: hash, reason: 'the header it gives for it does not have that hash' };
      this.#connection.leave(answer.url, new RelayError('node-lies', { details }));
      answer = await this.#blocks.ask(method, [hash], hash, this.#connection.stopped);
    }
  }

  #blame(url: string, number: BlockNumber, hash: Hex): void {
    this.#hashes.forget();
    const reason = `it gives another hash than ${hash}, to which later blocks lead`;
    this.#connection.leave(url, new RelayError('node-lies', { details: { url, block: number, reason } }));
  }
}

function noSuchBlock(block: Hex): RelayError {
  return new RelayError('state-discarded', { details: { block, reason: 'the node has no such block' } });
}

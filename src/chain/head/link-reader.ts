import type { Hex } from '../../codec/index.ts';
import { isRelayError, RelayError } from '../../errors/index.ts';
import type { Answer, Connection, PatientOptions } from '../rpc/connection.ts';
import { giveBackFrames } from '../rpc/frame-memory.ts';
import type { Refusals } from '../rpc/refusals.ts';
import type { BlockReader, BlockRequest } from '../storage/block-reader.ts';
import { inWindow } from '../storage/in-window.ts';
import { loadHash256 } from '../trie/proof-nodes.ts';
import type { HeaderLinks } from './header-links.ts';
import { headerOf } from './header-of.ts';
import { headerIn, headerText, putLinks } from './header-texts.ts';
import type { Header } from './header.ts';

const method = 'chain_getHeader';
/** Headers that are read at once, one frame each way: a node with several processors is idle with less, or fewer of them. */
const headersAtOnce = 128;
const framesInFlight = 8;

export interface LinkReaderParts {
  readonly connection: Connection;
  readonly blocks: BlockReader;
  readonly refusals: Refusals;
  /** The chain's own way to hash a header. */
  readonly hashOf: (header: Header) => Hex;
}

/** Reads headers of blocks by their hash, each held against that. */
export class LinkReader {
  readonly #parts: LinkReaderParts;

  constructor(parts: LinkReaderParts) {
    this.#parts = parts;
  }

  /** Puts into `links` what the node has of them: nothing of a block that was made up. */
  async read(hashes: readonly Hex[], links: HeaderLinks): Promise<void> {
    links.forget(hashes.length);
    const firsts = Array.from({ length: Math.ceil(hashes.length / headersAtOnce) }, (_, i) => i * headersAtOnce);
    const read = (first: number): Promise<void> =>
      this.#readFrame(hashes.slice(first, first + headersAtOnce), links, first);
    for await (const _ of inWindow(firsts, framesInFlight, read));
  }

  /** Of one, at whatever endpoint has it. Throws state-discarded where none has. */
  async readAlone(hash: Hex): Promise<Header> {
    const { blocks, refusals, hashOf } = this.#parts;
    for (let refused = 1; ;)
      try {
        const parse = (result: unknown, url: string): Header => headerOf(hash, result, url, hashOf);
        return (await blocks.askAs(requestFor(hash), parse, this.#patient)).value;
      } catch (error) {
        if (!isRelayError(error, 'rpc-failed')) throw error;
        await refusals.wait(method, refused++, error, this.#patient.signal);
      }
  }

  /** Others may wait for it too: it ends with the connection, not with who asked, and not while there is no node. */
  get #patient(): PatientOptions {
    return { signal: this.#parts.connection.stopped, patienceMs: Infinity };
  }

  async #readFrame(hashes: readonly Hex[], links: HeaderLinks, first: number): Promise<void> {
    const answers = await this.#parts.blocks.askAll(hashes.map(requestFor), { ...this.#patient, reader: headerText });
    putLinks(links, first, answers, hashes, await loadHash256());
    hashes.forEach((hash, i) => {
      const answer = answers[i];
      if (links.has(first + i) || answer === undefined || answer instanceof RelayError) return;
      const header = this.#checked(hash, answer);
      if (header !== undefined) links.putHeader(first + i, hash, header);
    });
    giveBackFrames(answers);
  }

  #checked(hash: Hex, { result, url }: Answer): Header | undefined {
    const { connection, hashOf } = this.#parts;
    if (result === null) return undefined;
    try {
      return headerOf(hash, headerIn(result), url, hashOf);
    } catch (error) {
      if (isRelayError(error, 'node-lies')) connection.leave(url, error);
      else if (isRelayError(error, 'rpc-failed')) connection.distrust(url, error.message);
      else throw error;
      return undefined;
    }
  }
}

function requestFor(hash: Hex): BlockRequest {
  return { method, params: [hash], block: hash };
}

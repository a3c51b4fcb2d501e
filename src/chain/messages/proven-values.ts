import { toHex, type Hex } from '../../codec/index.ts';
import { isRelayError, RelayError } from '../../errors/index.ts';
import type { Answer, Connection } from '../rpc/connection.ts';
import { giveBackFrames } from '../rpc/frame-memory.ts';
import { RawText } from '../rpc/raw-text.ts';
import type { BlockReader } from '../storage/block-reader.ts';
import { lookUp } from '../trie/look-up.ts';
import { loadHash256, ProofNodes, type Known, type Proof } from '../trie/proof-nodes.ts';
import type { ProofsModule } from '../trie/proofs-module.ts';
import { digitsOf, isUnavailable, listIn, proofIn, withoutProofs, type ProofReader } from '../trie/proof-reader.ts';
import { fewBlocks, type BlockAnchor } from './block-anchor.ts';

const method = 'state_getReadProof';

export interface ProvenValuesParts {
  readonly connection: Connection;
  readonly blocks: BlockReader;
  readonly proofs: ProofReader;
}

/** A block whose state root is known. */
export interface ProvenAnchor extends BlockAnchor {
  readonly stateRoot: Uint8Array;
}

/** Reads one value in many blocks, each held against the state root of its own. */
export class ProvenValues {
  readonly #connection: Connection;
  readonly #blocks: BlockReader;
  readonly #proofs: ProofReader;
  readonly #key: Hex;
  readonly #digits: string;

  constructor({ connection, blocks, proofs }: ProvenValuesParts, key: Hex) {
    this.#connection = connection;
    this.#blocks = blocks;
    this.#proofs = proofs;
    this.#key = key;
    this.#digits = digitsOf(key);
  }

  /**
   * In the order of the blocks; undefined where the proof shows that there is none, state-discarded where no endpoint has
   * the block's state. Throws proofs-unavailable, node-lies where no endpoint is left, rpc-failed, chain-unreachable,
   * aborted; OversizedAnswer where more than a few blocks together are more than the node sends.
   */
  async read(blocks: readonly ProvenAnchor[], signal: AbortSignal): Promise<(Uint8Array | RelayError | undefined)[]> {
    const keys = [this.#key];
    const requests = blocks.map(({ hash }) => ({ method, params: [keys, hash], block: hash }));
    const answers = await this.#blocks.askAll(requests, { signal, reader: listIn, few: fewBlocks });
    const hash = await loadHash256();
    const together = this.#provenTogether(answers, blocks, hash);
    const values: (Uint8Array | RelayError | undefined)[] = [];
    for (const block of blocks) {
      const answer = answers[values.length];
      if (isRelayError(answer, 'state-discarded')) {
        values.push(answer);
        continue;
      }
      if (answer === undefined || answer instanceof RelayError) throw this.#failureOf(answer);
      const known = together?.[values.length] ?? this.#provenBy(answer, block, hash);
      values.push(known === undefined ? await this.#readAlone(block, signal) : known.is);
    }
    giveBackFrames(answers);
    return values;
  }

  /**
   * By the proofs of all blocks as one: what is found under a hash is what was hashed, whichever block it was given for, and
   * what stays from block to block is decoded once. Refusals are left out; undefined where one of the others is not as it
   * should be, and in the place of a block where the nodes do not tell.
   */
  #provenTogether(
    answers: readonly (Answer | RelayError)[],
    blocks: readonly ProvenAnchor[],
    hash: ProofsModule,
  ): (Known<Uint8Array | undefined> | undefined)[] | undefined {
    const lists: RawText[] = [];
    for (const answer of answers) {
      if (answer instanceof RelayError) continue;
      if (!(answer.result instanceof RawText)) return undefined;
      lists.push(answer.result);
    }
    return hash.readNodes(lists, (all) => {
      const nodes = new ProofNodes(hash);
      nodes.add(all);
      return blocks.map((block) => kept(this.#lookUp(nodes, block)));
    });
  }

  /** undefined where the nodes do not tell. */
  #lookUp(nodes: ProofNodes, { stateRoot }: ProvenAnchor): Known<Uint8Array | undefined> | undefined {
    try {
      return lookUp(nodes, stateRoot, this.#digits);
    } catch (error) {
      if (!isRelayError(error, 'bad-proof')) throw error;
      return undefined;
    }
  }

  /** By one answer alone: where it does not hold, who gave it is left. */
  #provenBy({ result, url }: Answer, block: ProvenAnchor, hash: ProofsModule) {
    let reason = `it leaves out ${this.#digits}`;
    try {
      const nodes = new ProofNodes(hash);
      nodes.add(proofOf(result));
      const known = lookUp(nodes, block.stateRoot, this.#digits);
      if (known !== undefined) return kept(known);
    } catch (error) {
      if (!isRelayError(error, 'bad-proof')) throw error;
      reason = String(error.details?.['reason']);
    }
    this.#connection.leave(url, new RelayError('node-lies', { details: { url, block: block.hash, reason } }));
    return undefined;
  }

  async #readAlone(block: ProvenAnchor, signal: AbortSignal): Promise<Uint8Array | RelayError | undefined> {
    try {
      const [value] = await this.#proofs.values({ ...block, stateRoot: toHex(block.stateRoot) }, [this.#key], signal);
      return value;
    } catch (error) {
      if (!isRelayError(error, 'state-discarded')) throw error;
      return error;
    }
  }

  #failureOf(error: RelayError | undefined): RelayError {
    if (error === undefined)
      return new RelayError('rpc-failed', { details: { method: this.#key, reason: 'no answer' } });
    return isUnavailable(error) ? withoutProofs(error) : error;
  }
}

/** With memory of its own: a view would keep all nodes, or go with them. */
function kept(known: Known<Uint8Array | undefined> | undefined): Known<Uint8Array | undefined> | undefined {
  return known && { is: known.is?.slice() };
}

/** Of what was read as a list, or as JSON. Throws bad-proof. */
function proofOf(result: unknown): Proof {
  if (!(result instanceof RawText)) return proofIn(result) ?? [result];
  try {
    return [JSON.parse(String(result))].flat(1) as unknown[];
  } catch (cause) {
    throw new RelayError('bad-proof', { details: { reason: 'it is no JSON' }, cause });
  }
}

import { fromHex, type Hex } from '../../codec/index.ts';
import { isRelayError, RelayError } from '../../errors/index.ts';
import type { BlockNumber } from '../block-number.ts';
import { headerOf } from '../head/header-of.ts';
import type { Header } from '../head/header.ts';
import { expectObject } from '../rpc/expect.ts';
import { orderedRoot } from '../trie/ordered-root.ts';
import type { Hash256 } from '../trie/proof-nodes.ts';
import { fastFromHex } from './fast-hex.ts';
import type { ReadAs } from './read-at.ts';
import { extrinsicsOf } from './touched-workers.ts';

const method = 'chain_getBlock';
/** SCALE of the digest item `RuntimeEnvironmentUpdated`, which stands in the header of a block that changes the runtime's code. */
const newRuntime = '0x08';

/** What a block is made of. Nodes keep it for longer than the state after it. */
export interface BlockBody {
  readonly number: BlockNumber;
  /** SCALE of each, in order. */
  readonly extrinsics: readonly Hex[];
  /** By its header: the blocks behind it are executed by another runtime. */
  readonly hasNewRuntime: boolean;
}

/** undefined where no endpoint has the body. */
export type ReadBody = (block: Hex, signal: AbortSignal | undefined) => Promise<BlockBody | undefined>;

/** What a block is known by. */
export interface BlockHashes {
  readonly header: (header: Header) => Hex;
  readonly hash256: Hash256;
}

/**
 * A node without the body answers null: another one is asked. One whose header is not the block's, or whose extrinsics are not
 * all that the header stands for, is left.
 */
export function bodyReader(readAs: ReadAs, hashes: BlockHashes): ReadBody {
  return (block, signal) => {
    const bodyIn = (answer: unknown, url: string): BlockBody => {
      const given = expectObject(expectObject(answer, method)['block'], method);
      const { number, extrinsicsRoot, digest } = headerOf(block, given['header'], url, hashes.header);
      const extrinsics = extrinsicsOf(answer);
      if (isRootOf(extrinsicsRoot, extrinsics, hashes.hash256))
        return { number, extrinsics, hasNewRuntime: digest.includes(newRuntime) };
      const reason = 'the extrinsics it gives for it are not those of its header';
      throw new RelayError('node-lies', { details: { url, block, reason } });
    };
    return readAs(method, [block], block, bodyIn, signal).catch(noneWhereForgotten);
  };
}

/** In either layout: which one a chain has depends on its runtime's `system_version`. */
function isRootOf(root: Hex, extrinsics: readonly Hex[], hash: Hash256): boolean {
  const values = extrinsics.map((extrinsic) => fastFromHex(extrinsic) ?? fromHex(extrinsic, 'An extrinsic'));
  return orderedRoot(values, 0, hash) === root || orderedRoot(values, 1, hash) === root;
}

function noneWhereForgotten(error: unknown): undefined {
  if (!isRelayError(error, 'state-discarded')) throw error;
}

import type { Hex } from '../../codec/index.ts';
import { isRelayError } from '../../errors/index.ts';
import type { BlockNumber } from '../block-number.ts';
import { headerOf } from '../head/header-of.ts';
import type { Header } from '../head/header.ts';
import { expectObject } from '../rpc/expect.ts';
import type { ReadAs } from './read-at.ts';
import { extrinsicsOf } from './touched-workers.ts';

const method = 'chain_getBlock';

/** What a block is made of. Nodes keep it for longer than the state after it. */
export interface BlockBody {
  readonly number: BlockNumber;
  /** SCALE of each, in order. */
  readonly extrinsics: readonly Hex[];
}

/** undefined where no endpoint has the body. */
export type ReadBody = (block: Hex, signal: AbortSignal | undefined) => Promise<BlockBody | undefined>;

/** A node without the body answers null: another one is asked. One whose header is not the block's is left. */
export function bodyReader(readAs: ReadAs, hashOf: (header: Header) => Hex): ReadBody {
  return (block, signal) => {
    const bodyIn = (answer: unknown, url: string): BlockBody => {
      const { header } = expectObject(expectObject(answer, method)['block'], method);
      return { number: headerOf(block, header, url, hashOf).number, extrinsics: extrinsicsOf(answer) };
    };
    return readAs(method, [block], block, bodyIn, signal).catch(noneWhereForgotten);
  };
}

function noneWhereForgotten(error: unknown): undefined {
  if (!isRelayError(error, 'state-discarded')) throw error;
}

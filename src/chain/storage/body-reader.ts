import type { Hex } from '../../codec/index.ts';
import { isRelayError } from '../../errors/index.ts';
import type { BlockNumber } from '../block-number.ts';
import { parseHeader } from '../head/header.ts';
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

/** A node without the body answers null: another one is asked. */
export function bodyReader(readAs: ReadAs): ReadBody {
  return (block, signal) => readAs(method, [block], block, bodyIn, signal).catch(noneWhereForgotten);
}

function bodyIn(answer: unknown): BlockBody {
  const { header } = expectObject(expectObject(answer, method)['block'], method);
  return { number: parseHeader(header).number, extrinsics: extrinsicsOf(answer) };
}

function noneWhereForgotten(error: unknown): undefined {
  if (!isRelayError(error, 'state-discarded')) throw error;
}

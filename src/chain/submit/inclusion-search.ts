import { blake2b } from '@noble/hashes/blake2.js';
import { fromHex, toHex, type Hex } from '../../codec/index.ts';
import type { BlockNumber } from '../block-number.ts';
import type { BlockId } from '../head/head.ts';
import { findInclusion } from './find-inclusion.ts';
import { eraBlocks } from './sign-extrinsic.ts';
import type { ExtrinsicFacts, Inclusion } from './submission.ts';
import type { SubmitSources } from './submit-sources.ts';

/** What a search of blocks came to. */
export interface Searched {
  readonly included: ReadonlyMap<Hex, Inclusion>;
  /** Blocks of which no endpoint has the body. */
  readonly unseen: readonly BlockNumber[];
}

/** Reads the body of each block once that may have one of them, from `through` downwards: each has the next above it. */
export async function searchBlocks(
  sources: SubmitSources,
  extrinsics: readonly ExtrinsicFacts[],
  through: BlockId,
  signal: AbortSignal | undefined,
): Promise<Searched> {
  const included = new Map<Hex, Inclusion>();
  const unseen: BlockNumber[] = [];
  const next = (top: BlockNumber): BlockNumber | undefined =>
    highest(
      extrinsics.filter(({ hash }) => !included.has(hash)),
      top,
    );
  let block = through;
  for (let number = next(through.number); number !== undefined; number = next(number - 1)) {
    block = await ancestorAt(number, block, sources, signal);
    const body = await sources.bodyOf(block.hash, signal);
    if (body === undefined) unseen.push(number);
    for (const hex of body?.extrinsics ?? []) {
      const name = hashOf(hex);
      const extrinsic = extrinsics.find(({ hash }) => hash === name);
      if (body === undefined || extrinsic === undefined) continue;
      const inclusion = await findInclusion(sources.storageAt(block.hash), body, { extrinsic, hex }, signal);
      if (inclusion !== undefined) included.set(extrinsic.hash, inclusion);
    }
  }
  return { included, unseen };
}

/** The highest block, `top` at most, that may have one of them. */
function highest(extrinsics: readonly ExtrinsicFacts[], top: BlockNumber): BlockNumber | undefined {
  const numbers = extrinsics.flatMap(({ anchor, death }) => {
    const last = Math.min(death - 1, top);
    return last > anchor ? [last] : [];
  });
  return numbers.length === 0 ? undefined : Math.max(...numbers);
}

/** Of what is far below there is one branch only. */
async function ancestorAt(
  number: BlockNumber,
  block: BlockId,
  { heads }: SubmitSources,
  signal: AbortSignal | undefined,
): Promise<BlockId> {
  if (block.number - number > eraBlocks) return heads.existingAt(number, { signal });
  let { hash } = block;
  for (let above = block.number; above > number; above--) hash = (await heads.byHash(hash, { signal })).parentHash;
  return { number, hash };
}

function hashOf(extrinsic: Hex): Hex {
  return toHex(blake2b(fromHex(extrinsic), { dkLen: 32 }));
}

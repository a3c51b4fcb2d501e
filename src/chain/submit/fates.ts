import { blake2b } from '@noble/hashes/blake2.js';
import { fromHex, toHex, type Hex } from '../../codec/index.ts';
import type { BlockNumber } from '../block-number.ts';
import type { Head } from '../head/head.ts';
import { findInclusion } from './find-inclusion.ts';
import { settledNumber } from './settled-number.ts';
import type { ExtrinsicFacts, Fate, Inclusion } from './submission.ts';
import type { SubmitSources } from './submit-sources.ts';

/** Nonces of an account: of those below `settled` it is known for good what used them. */
interface Nonces {
  readonly settled: number;
  readonly best: number;
}

/** What a search of blocks came to. */
interface Searched {
  readonly included: ReadonlyMap<Hex, Inclusion>;
  /** Blocks of which no endpoint has the body. */
  readonly unseen: readonly BlockNumber[];
}

/** By hash. */
export async function fatesOf(
  sources: SubmitSources,
  extrinsics: readonly ExtrinsicFacts[],
  signal: AbortSignal | undefined,
): Promise<ReadonlyMap<Hex, Fate>> {
  const { heads, nonceAt } = sources;
  const [finalized, best] = await Promise.all([heads.finalized({ signal }), heads.best({ signal })]);
  const number = settledNumber({ finalized, best });
  const settled = number === finalized.number ? finalized : await heads.existingAt(number, { signal });
  const nonces = new Map<Hex, Nonces>();
  for (const account of new Set(extrinsics.map((each) => each.account))) {
    const [atSettled, atBest] = await Promise.all([settled, best].map(({ hash }) => nonceAt(account, hash, signal)));
    nonces.set(account, { settled: atSettled ?? 0, best: atBest ?? 0 });
  }
  const isUsed = ({ account, nonce }: ExtrinsicFacts): boolean => (nonces.get(account)?.settled ?? 0) > nonce;
  const searched = await search(sources, extrinsics.filter(isUsed), settled, signal);
  const fateOf = (extrinsic: ExtrinsicFacts): Fate => {
    const inclusion = searched.included.get(extrinsic.hash);
    if (inclusion !== undefined) return { kind: 'included', inclusion };
    if (isUsed(extrinsic)) return outOfSight(extrinsic, searched.unseen) ?? { kind: 'dead' };
    if (settled.number >= extrinsic.death) return { kind: 'dead' };
    return { kind: 'open', nextNonce: nonces.get(extrinsic.account)?.best ?? 0 };
  };
  return new Map(extrinsics.map((extrinsic) => [extrinsic.hash, fateOf(extrinsic)]));
}

function outOfSight({ anchor, death }: ExtrinsicFacts, unseen: readonly BlockNumber[]): Fate | undefined {
  const numbers = unseen.filter((number) => number > anchor && number < death);
  if (numbers.length === 0) return undefined;
  return { kind: 'unknown', first: Math.min(...numbers), last: Math.max(...numbers) };
}

/** Reads the body of each block once that may have one of them. */
async function search(
  sources: SubmitSources,
  extrinsics: readonly ExtrinsicFacts[],
  settled: Head,
  signal: AbortSignal | undefined,
): Promise<Searched> {
  const { heads, bodyOf } = sources;
  const included = new Map<Hex, Inclusion>();
  const unseen: BlockNumber[] = [];
  const first = Math.min(...extrinsics.map(({ anchor }) => anchor + 1));
  for (let number = first; number <= settled.number; number++) {
    const wanted = extrinsics.filter(
      ({ hash, anchor, death }) => number > anchor && number < death && !included.has(hash),
    );
    if (wanted.length === 0) continue;
    const { hash: block } = await heads.existingAt(number, { signal });
    const body = await bodyOf(block, signal);
    if (body === undefined) unseen.push(number);
    for (const hex of body?.extrinsics ?? []) {
      const name = hashOf(hex);
      const extrinsic = wanted.find(({ hash }) => hash === name);
      if (body === undefined || extrinsic === undefined) continue;
      const inclusion = await findInclusion(sources.storageAt(block), body, { extrinsic, hex }, signal);
      if (inclusion !== undefined) included.set(extrinsic.hash, inclusion);
    }
  }
  return { included, unseen };
}

function hashOf(extrinsic: Hex): Hex {
  return toHex(blake2b(fromHex(extrinsic), { dkLen: 32 }));
}

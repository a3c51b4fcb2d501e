import type { Hex } from '../../codec/index.ts';

/** The hash that at least `size` endpoints have, and more of them than have any other. */
export function winnerOf(votes: ReadonlyMap<string, Hex>, size: number): Hex | undefined {
  const counts = new Map<Hex, number>();
  for (const hash of votes.values()) counts.set(hash, (counts.get(hash) ?? 0) + 1);
  const [first, second] = [...counts].sort(([, a], [, b]) => b - a);
  if (first === undefined || first[1] < size || first[1] === second?.[1]) return undefined;
  return first[0];
}

/** Endpoints that have another hash. */
export function votersAgainst(votes: ReadonlyMap<string, Hex>, winner: Hex): string[] {
  return [...votes].filter(([, hash]) => hash !== winner).map(([url]) => url);
}

import type { Hex } from '../../src/codec/index.ts';

/** What proofs.json holds: states of a chain and proofs of them, as a real node gave them. */
export interface ProofVectors {
  readonly node: string;
  /** Trie nodes, and values that stand apart from them; a proof names them by their places here. */
  readonly nodes: readonly Hex[];
  /** Storage prefixes of the maps. */
  readonly prefixes: Readonly<Record<MapName, Hex>>;
  /** In the order of the chain. */
  readonly states: readonly RecordedState[];
  readonly changes: readonly RecordedChange[];
  /** Each must be refused. */
  readonly tampered: readonly TamperedProof[];
}

export const mapNames = ['workers', 'endpoints'] as const;
export type MapName = (typeof mapNames)[number];

export interface RecordedState {
  /** What happened in the block. */
  readonly what: string;
  readonly hash: Hex;
  /** As `chain_getHeader` gives it; it hashes to `hash`. */
  readonly header: { readonly stateRoot: Hex };
  /** All entries of the maps in the order of their keys, and a proof of all of them. */
  readonly maps: Readonly<
    Record<MapName, { readonly entries: readonly (readonly [Hex, Hex])[]; readonly proof: readonly number[] }>
  >;
}

/** From one state to another, later or earlier, for who knows the hashes of the first. */
export interface RecordedChange {
  readonly map: MapName;
  /** Places among the states. */
  readonly from: number;
  readonly to: number;
  /** A proof of the second that has what differs, and no more than the way to it. */
  readonly proof: readonly number[];
}

/** A change's proof that is not what the node gave. */
export interface TamperedProof extends RecordedChange {
  readonly what: string;
}

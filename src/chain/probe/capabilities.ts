import type { BlockNumber } from '../block-number.ts';
import type { BlockWeight } from '../runtime/block-limits.ts';

/** Whether a node offers something; undefined where it can not be told. */
export type Offered = boolean | undefined;

/** How one pallet of the runtime compares with what is read and called here. */
export interface PalletShape {
  readonly name: 'PhalaMq' | 'PhalaRegistry';
  /** Of its calls and events; undefined where the runtime has no such pallet. */
  readonly index: number | undefined;
  /** Storage entries and calls that are used here and not there. */
  readonly missing: readonly string[];
  /**
   * current and older: a layout that Khala has had, decoded by hand. other: decoded by the runtime's metadata, as far as
   * names agree. Of `Workers` and `OutboundMessages`; undefined where there is none.
   */
  readonly layout: 'current' | 'older' | 'other' | undefined;
}

/** What one node offers, as far as asking it shows. */
export interface NodeCapabilities {
  readonly url: string;
  /** Name and version of the node's program; undefined where it does not say. */
  readonly client: string | undefined;
  readonly isSyncing: Offered;
  readonly peers: number | undefined;
  readonly best: BlockNumber;
  readonly finalized: BlockNumber;
  /** Oldest block whose state it has: 0 or 1 on an archive node. */
  readonly oldestState: BlockNumber;
  /** Oldest block whose extrinsics it has. */
  readonly oldestBody: BlockNumber;
  /** `state_getReadProof`; `wrong`: what it gives does not hold against the state root of the finalized head. */
  readonly proofs: Offered | 'wrong';
  /** `state_queryStorage`: messages of many blocks by one request, where they are not proven. Of the unsafe RPCs. */
  readonly ranges: Offered;
  /** RPCs that only a trusted client should have, such as `system_peers`. */
  readonly unsafeRpcs: Offered;
  /** Methods used here that it does not list; undefined where it lists none. */
  readonly missingMethods: readonly string[] | undefined;
  readonly pool: {
    readonly submit: Offered;
    readonly watch: Offered;
    /** Extrinsics that wait. */
    readonly pending: number | undefined;
  };
  /** Bytes of normal extrinsics in a block. */
  readonly blockLength: number;
  readonly blockWeight: BlockWeight;
  readonly pallets: readonly PalletShape[];
  /** Signed extensions with data that nobody here knows: with one of them nothing can be signed. */
  readonly unknownExtensions: readonly string[];
  readonly specName: string;
  readonly specVersion: number;
}

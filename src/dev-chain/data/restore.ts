import type { BlockStore } from '../block/block-store.ts';
import { extrinsicsRoots } from '../block/extrinsics-root.ts';
import { encodeHeader } from '../block/header.ts';
import { inherents } from '../block/inherents.ts';
import { RelayError } from '../../errors/index.ts';
import type { Runtimes } from '../executor/runtime.ts';
import type { Hashing } from '../hashing.ts';
import { bytesToHex, hexToBytes } from '../hex.ts';
import type { ChainData, Genesis } from './chain-data.ts';
import type { ChainTip } from './chain-tip.ts';

export interface RestoreInto {
  readonly genesis: Genesis;
  /** With the genesis only. */
  readonly blocks: BlockStore;
  readonly runtimes: Runtimes;
  readonly hashing: Hashing;
  /** Gives it up. */
  readonly signal: AbortSignal | undefined;
}

/**
 * Brings back the blocks that are kept, and lets the chain stand where it stood; undefined where it has not begun. No block
 * is executed again: each has what it changed with it, and the state that comes of it is held against its header, as its
 * extrinsics are. Throws dev-data-other-chain, dev-data-invalid, store-failed, dev-chain-stopped.
 */
export async function restore(
  data: ChainData,
  { genesis, blocks, runtimes, hashing, signal }: RestoreInto,
): Promise<ChainTip | undefined> {
  await data.claim(genesis);
  let isBegun = false;
  for await (const { header, extrinsics, timestamp, changes } of data.blocks()) {
    if (signal?.aborted === true) throw new RelayError('dev-chain-stopped');
    isBegun = true;
    const { number, parentHash } = header;
    const parent = blocks.byHash(parentHash);
    if (parent?.state === undefined) throw data.invalid(`the parent of block ${number} is missing`);
    const state = parent.state.with(changes);
    const hash = bytesToHex(hashing.blake2b256(hexToBytes(encodeHeader(header))));
    const { stateVersion } = parent.runtime;
    if (state.root(stateVersion) !== header.stateRoot)
      throw data.invalid(`the state of block ${number} does not have the root that its header says`);
    if (!extrinsicsRoots(extrinsics, hashing).includes(header.extrinsicsRoot))
      throw data.invalid(`the extrinsics of block ${number} do not have the root that its header says`);
    if (inherents(parent.runtime, timestamp).some((inherent, place) => extrinsics[place] !== inherent))
      throw data.invalid(`the time of block ${number} is not the one that its extrinsics set`);
    const runtime = await runtimes.of(state);
    blocks.add({ hash, number, header, extrinsics, timestamp, runtime, stateVersion, state });
  }
  const tip = await data.tip();
  if (tip === undefined) {
    if (isBegun) throw data.invalid('which block is the head is missing');
    return undefined;
  }
  const [head, finalized] = [blocks.byHash(tip.head), blocks.byHash(tip.finalized)];
  if (head === undefined || finalized === undefined) throw data.invalid('the head or the finalized block is missing');
  blocks.standAt(head, finalized);
  if (blocks.finalized === finalized) return tip;
  // With a shorter lag more is final from now on, and stays so.
  const now = { ...tip, finalized: blocks.finalized.hash };
  await data.keep(now);
  return now;
}

import type { Runtime } from '../executor/runtime.ts';
import type { Hashing } from '../hashing.ts';
import { bytesToHex, hexToBytes } from '../hex.ts';
import type { ChainState } from '../state/chain-state.ts';
import type { DevBlock } from './block.ts';
import { extrinsicsRoots } from './extrinsics-root.ts';
import { encodeHeader, zeroHash } from './header.ts';

/** Block 0, with the same hash that any node computes from the same state. */
export function genesisBlock(state: ChainState, runtime: Runtime, hashing: Hashing): DevBlock {
  const [extrinsicsRoot] = extrinsicsRoots([], hashing);
  const { stateVersion } = runtime;
  const stateRoot = state.root(stateVersion);
  const header = { parentHash: zeroHash, number: 0, stateRoot, extrinsicsRoot, logs: [] };
  const hash = bytesToHex(hashing.blake2b256(hexToBytes(encodeHeader(header))));
  return { hash, number: 0, header, extrinsics: [], timestamp: 0, runtime, stateVersion, state };
}

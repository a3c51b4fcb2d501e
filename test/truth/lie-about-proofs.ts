import type { Hex } from '../../src/codec/index.ts';
import type { Alter } from '../support/rpc-proxy.ts';

/** Changes the last byte of each node of a proof. */
export const lieAboutProofs: Alter = (method, _params, result) => {
  if (method !== 'state_getReadProof') return result;
  const { at, proof } = result as { at: Hex; proof: Hex[] };
  return { at, proof: proof.map((node) => `${node.slice(0, -2)}${node.endsWith('00') ? '01' : '00'}`) };
};

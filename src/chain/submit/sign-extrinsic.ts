import { blake2b } from '@noble/hashes/blake2.js';
import type { GenericCall } from '@polkadot/types';
import { concatBytes, toHex, type Hex } from '../../codec/index.ts';
import { RelayError } from '../../errors/index.ts';
import type { Account, BlockNumber, Head } from '../chain.ts';
import type { Runtime } from '../runtime/runtime.ts';

/** Blocks for which an extrinsic is valid: long enough for full blocks, short enough to know soon that it is dead. */
export const eraBlocks = 64;
/** Longer payloads are signed by their hash (Substrate, `SignedPayload::using_encoded`). */
const maxPlainPayload = 256;
const extrinsicVersion = 4;
/** Variant of MultiSignature. */
const sr25519 = Uint8Array.of(1);

export interface SignedExtrinsic {
  readonly hex: Hex;
  readonly hash: Hex;
  readonly account: Hex;
  readonly nonce: number;
  /** Blocks after this one may contain it … */
  readonly anchor: BlockNumber;
  /** … but not this one nor any later. */
  readonly death: BlockNumber;
}

export interface SigningFacts {
  readonly runtime: Runtime;
  readonly genesisHash: Hex;
  /** Finalized, or deep: a reorg would kill an era that is anchored on a best block. */
  readonly anchor: Head;
  readonly nonce: number;
}

export function signExtrinsic(
  call: GenericCall,
  account: Account,
  { runtime, genesisHash, anchor, nonce }: SigningFacts,
): SignedExtrinsic {
  const { registry, version, unknownExtensions } = runtime;
  if (unknownExtensions.length > 0)
    throw new RelayError('unsupported-runtime', {
      details: { reason: `its signed extensions ${unknownExtensions.join(', ')} are unknown` },
    });
  const era = registry.createType('ExtrinsicEra', { current: anchor.number, period: eraBlocks });
  const payload = {
    method: call.toHex(),
    era: era.toHex(),
    nonce,
    tip: 0,
    specVersion: version.specVersion,
    transactionVersion: version.transactionVersion,
    genesisHash,
    blockHash: anchor.hash,
  };
  const options = { version: extrinsicVersion };
  const plain = registry.createTypeUnsafe('ExtrinsicPayload', [payload, options]).toU8a(true);
  const signed = plain.length > maxPlainPayload ? blake2b(plain, { dkLen: 32 }) : plain;
  const extrinsic = registry.createType('Extrinsic', call, options);
  extrinsic.addSignature(account.id, toHex(concatBytes(sr25519, account.sign(signed))), payload);
  const bytes = extrinsic.toU8a();
  return {
    hex: toHex(bytes),
    hash: toHex(blake2b(bytes, { dkLen: 32 })),
    account: account.id,
    nonce,
    anchor: anchor.number,
    death: era.asMortalEra.death(anchor.number),
  };
}

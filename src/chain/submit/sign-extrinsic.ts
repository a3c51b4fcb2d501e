import { blake2b } from '@noble/hashes/blake2.js';
import type { Codec } from '@polkadot/types/types';
import { concatBytes, toHex, Writer, type Hex } from '../../codec/index.ts';
import { RelayError } from '../../errors/index.ts';
import type { Account, SignedExtrinsic } from './submission.ts';
import type { Head } from '../head/head.ts';
import type { Runtime } from '../runtime/runtime.ts';

/** Blocks for which an extrinsic is valid: long enough for full blocks, short enough to know soon that it is dead. */
export const eraBlocks = 64;
/** Longer payloads are signed by their hash (Substrate, `SignedPayload::using_encoded`). */
const maxPlainPayload = 256;
const extrinsicVersion = 4;
const signed = 0x80;
/** Variant of MultiSignature. */
const sr25519 = Uint8Array.of(1);
const noSignature = new Uint8Array(64).fill(1);

/** What the library has before a call. */
interface SignatureFields extends Codec {
  addSignature(signer: Codec, signature: Hex, payload: object): this;
}

export interface SigningFacts {
  readonly runtime: Runtime;
  readonly genesisHash: Hex;
  /** Finalized, or deep: a reorg would kill an era that is anchored on a best block. */
  readonly anchor: Head;
  readonly nonce: number;
  /** In the smallest unit. */
  readonly tip: bigint;
}

/**
 * Signs a call, given as SCALE. Address, extensions and what they add to the signed payload are made by the library round an
 * empty call, so that a call of megabytes passes through no codec object. Throws unsupported-runtime.
 */
export function signExtrinsic(call: Uint8Array, account: Account, facts: SigningFacts): SignedExtrinsic {
  const { runtime, genesisHash, anchor, nonce, tip } = facts;
  const { registry, version, unknownExtensions } = runtime;
  if (unknownExtensions.length > 0)
    throw new RelayError('unsupported-runtime', {
      details: { reason: `its signed extensions ${unknownExtensions.join(', ')} are unknown` },
    });
  const era = registry.createType('ExtrinsicEra', { current: anchor.number, period: eraBlocks });
  const payload = {
    method: '0x',
    era: era.toHex(),
    nonce,
    tip,
    specVersion: version.specVersion,
    transactionVersion: version.transactionVersion,
    genesisHash,
    blockHash: anchor.hash,
  };
  const extensions = registry
    .createTypeUnsafe('ExtrinsicPayload', [payload, { version: extrinsicVersion }])
    .toU8a(true);
  const plain = concatBytes(call, extensions);
  const signature = account.sign(plain.length > maxPlainPayload ? blake2b256(plain) : plain);
  const head = signedPart(runtime, account, concatBytes(sr25519, signature), payload);
  const length = new Writer(4).compactLength(head.length + call.length).finish();
  const bytes = concatBytes(length, head, call);
  return {
    bytes,
    hash: toHex(blake2b256(bytes)),
    account: account.id,
    nonce,
    anchor: anchor.number,
    death: era.asMortalEra.death(anchor.number),
  };
}

/** Version, address, signature and extensions: all that stands before the call. */
function signedPart(runtime: Runtime, account: Account, signature: Uint8Array, payload: object): Uint8Array {
  const fields = runtime.registry.createTypeUnsafe<SignatureFields>('ExtrinsicSignatureV4', []);
  fields.addSignature(runtime.registry.createType('Address', account.id), toHex(signature), payload);
  return concatBytes(Uint8Array.of(signed | extrinsicVersion), fields.toU8a());
}

/** Signs nothing: to ask what an extrinsic of its size would cost. */
export function unsignedAccount({ id }: Pick<Account, 'id'>): Account {
  return { id, sign: () => noSignature };
}

function blake2b256(bytes: Uint8Array): Uint8Array {
  return blake2b(bytes, { dkLen: 32 });
}

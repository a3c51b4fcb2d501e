import { blake2b } from '@noble/hashes/blake2.js';
import { fromHex, toHex, type Hex } from '../../codec/index.ts';
import type { BlockNumber } from '../block-number.ts';
import type { Head } from './head.ts';
import type { Hash256 } from '../trie/proof-nodes.ts';
import { expectArray, expectBytes, expectHash, expectNumber, expectObject } from '../rpc/expect.ts';
import { fastFromHex } from '../storage/fast-hex.ts';

/** A header as nodes send it: without its own hash. */
export interface Header {
  readonly number: BlockNumber;
  readonly parentHash: Hex;
  readonly stateRoot: Hex;
  readonly extrinsicsRoot: Hex;
  /** SCALE of each digest item. */
  readonly digest: readonly Hex[];
}

/** Above it a number takes another form in SCALE; at a block a second that is 34 years away. */
const maxNumber = 2 ** 30 - 1;

/**
 * Fields are of their exact length: else one preimage of a block's hash could be cut into fields in more than one way,
 * and so be given another state root. Throws rpc-failed.
 */
export function parseHeader(value: unknown): Header {
  const method = 'chain_getHeader';
  const header = expectObject(value, method);
  const digest = expectObject(header['digest'], method);
  return {
    number: expectNumber(header['number'], method, maxNumber),
    parentHash: expectHash(header['parentHash'], method),
    stateRoot: expectHash(header['stateRoot'], method),
    extrinsicsRoot: expectHash(header['extrinsicsRoot'], method),
    digest: expectArray(digest['logs'], method).map((item) => expectBytes(item, method)),
  };
}

const portableHash: Hash256 = { binary: (bytes) => blake2b(bytes, { dkLen: 32 }) };

/** blake2_256 of the SCALE encoding: what Substrate chains with its default header use. */
export function hashHeader(header: Header, hash: Hash256 = portableHash): Hex {
  const { parentHash, number, stateRoot, extrinsicsRoot, digest } = header;
  let digits = digitsOf(parentHash) + compactDigits(number) + digitsOf(stateRoot) + digitsOf(extrinsicsRoot);
  digits += compactDigits(digest.length);
  for (const item of digest) digits += digitsOf(item);
  // Decoded at once: most of what a header costs were the pieces.
  const encoded: Hex = `0x${digits}`;
  return toHex(hash.binary(fastFromHex(encoded) ?? fromHex(encoded)));
}

function digitsOf(hex: Hex): string {
  return hex.slice(2);
}

/** SCALE of a compact number, without taking memory for it. */
function compactDigits(value: number): string {
  const mode = value < 2 ** 6 ? 0 : value < 2 ** 14 ? 1 : 2;
  let digits = '';
  for (let byte = 0, rest = value * 4 + mode; byte < 1 << mode; byte++, rest >>>= 8)
    digits += (rest & 0xff).toString(16).padStart(2, '0');
  return digits;
}

/** Gives headers their hashes. The genesis of some local dev chains does not have that of its header. */
export function headerHasher(genesisHash: Hex, isLocal: boolean, hash: Hash256): (header: Header) => Hex {
  return (header) => (isLocal && header.number === 0 ? genesisHash : hashHeader(header, hash));
}

export function toHead({ number, parentHash, stateRoot }: Header, hash: Hex): Head {
  return { number, hash, parentHash, stateRoot };
}

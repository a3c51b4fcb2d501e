import type { Hex } from '../../codec/hex.ts';
import { Reader } from '../../codec/reader.ts';
import { bytesToHex, hexToBytes } from '../hex.ts';

/** sp-runtime's `ValidTransaction`, less what only a gossiping node needs. */
export interface ValidTransaction {
  readonly priority: bigint;
  /** Tags of transactions that must come before. */
  readonly requires: readonly Hex[];
  readonly provides: readonly Hex[];
  /** Blocks for which this holds. */
  readonly longevity: bigint;
}

/** Why a runtime refuses a transaction. `invalid`: for good; else it cannot tell. */
export interface Refusal {
  readonly invalid: boolean;
  readonly reason: string;
  /** It may fit into a later block. */
  readonly exhausted: boolean;
}

const invalidReasons = [
  'Transaction call is not expected',
  'Inability to pay some fees (e.g. account balance too low)',
  'Transaction will be valid in the future',
  'Transaction is outdated',
  'Transaction has a bad signature',
  'Transaction has an ancient birth block',
  'Transaction would exhaust the block limits',
  'Custom error',
  'A call was labelled as mandatory, but resulted in an Error.',
  'Transaction dispatch is mandatory; transactions must not be validated.',
  'Invalid signing address',
  'The implicit data could not be calculated',
  'The transaction extension did not authorize any origin',
] as const;
const unknownReasons = [
  'Could not lookup information required to validate the transaction',
  'Could not find an unsigned validator for the unsigned transaction',
  'UnknownTransaction custom error',
] as const;
const exhaustsResources = 6;
const customError = 7;

/** Decodes `TransactionValidity`. */
export function decodeValidity(encoded: Hex): ValidTransaction | Refusal {
  const reader = new Reader(hexToBytes(encoded), 'The validity');
  if (reader.u8() !== 0) return refusal(reader);
  return { priority: reader.u64(), requires: tags(reader), provides: tags(reader), longevity: reader.u64() };
}

/** Decodes `ApplyExtrinsicResult`: undefined where the extrinsic is in the block, whether or not its call succeeded. */
export function decodeApplied(encoded: Hex): Refusal | undefined {
  const reader = new Reader(hexToBytes(encoded), 'The result');
  return reader.u8() === 0 ? undefined : refusal(reader);
}

function refusal(reader: Reader): Refusal {
  const invalid = reader.u8() === 0;
  const variant = reader.u8();
  const reasons = invalid ? invalidReasons : unknownReasons;
  const custom = invalid && variant === customError ? `: ${reader.u8()}` : '';
  return {
    invalid,
    reason: `${reasons[variant] ?? `Error ${variant}`}${custom}`,
    exhausted: invalid && variant === exhaustsResources,
  };
}

function tags(reader: Reader): Hex[] {
  return Array.from({ length: reader.compactLength() }, () => bytesToHex(reader.bytes()));
}

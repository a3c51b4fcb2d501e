import type { BlockId, MessageSender } from '../chain/index.ts';
import { Reader, toBytes, toHex, Writer, type Hex } from '../codec/index.ts';
import { decodeV1 } from '../crypto/core.ts';
import {
  isErrorCode,
  isLocalFailure,
  isRelayError,
  isVaultUnread,
  RelayError,
  type ErrorCode,
} from '../errors/index.ts';

/** A message that could not be delivered, with the reason. */
export interface DeadLetter {
  readonly envelope: Uint8Array;
  /** Catalogue code of the reason. */
  readonly code: ErrorCode;
  /** Who posted it, as the chain proves it; undefined for via relay. */
  readonly sender: MessageSender | undefined;
  /** Where it was posted; undefined for via relay. */
  readonly block: BlockId | undefined;
  readonly isFinal: boolean;
  readonly isProven: boolean;
  /** How often it was tried again. */
  readonly retries: number;
}

const senderKinds = ['worker', 'account', 'other'] as const;
const text = new TextEncoder();

export function encodeDeadLetter(letter: DeadLetter): Uint8Array {
  const { code, sender, block, isFinal, isProven, retries, envelope } = letter;
  const writer = new Writer()
    .bytes(text.encode(code))
    .u8((isFinal ? 1 : 0) | (isProven ? 2 : 0))
    .u32(retries);
  if (sender === undefined) writer.u8(0);
  else
    writer
      .u8(1 + senderKinds.indexOf(sender.kind))
      .bytes(text.encode(sender.kind === 'other' ? sender.name : sender.id));
  if (block === undefined) writer.u8(0);
  else
    writer
      .u8(1)
      .u32(block.number)
      .raw(toBytes(block.hash, 'hash', 32));
  return writer.raw(envelope).finish();
}

export function decodeDeadLetter(bytes: Uint8Array): DeadLetter {
  const reader = new Reader(bytes, 'A dead letter', true);
  const code = readText(reader);
  const set = reader.u8();
  const retries = reader.u32();
  const sender = readSender(reader);
  const block = reader.u8() === 0 ? undefined : { number: reader.u32(), hash: toHex(reader.fixed(32)) };
  return {
    code: isErrorCode(code) ? code : 'open-failed',
    sender,
    block,
    isFinal: (set & 1) !== 0,
    isProven: (set & 2) !== 0,
    retries,
    envelope: reader.rest(),
  };
}

function readSender(reader: Reader): MessageSender | undefined {
  const variant = reader.u8();
  const kind = senderKinds[variant - 1];
  if (kind === undefined) return undefined;
  const name = readText(reader);
  return kind === 'other' ? { kind, name } : { kind, id: name as `0x${string}` };
}

function readText(reader: Reader): string {
  return new TextDecoder().decode(reader.bytes());
}

/**
 * Why a message can't be delivered, or not yet: its key may be in a file that can not be read. Throws the error on where it
 * says nothing about the message: a store that fails or a vault that is closed must not bury what would open later.
 */
export function reasonOfDeath(error: unknown): RelayError {
  if (isVaultUnread(error)) return error;
  if (!(error instanceof RelayError) || isLocalFailure(error)) throw error;
  return error;
}

/** Of a relayed message, whose signature was checked by who handed it over. */
export function claimedSender(envelope: Uint8Array): Hex | undefined {
  try {
    return decodeV1(envelope).header.from;
  } catch (error) {
    if (isRelayError(error)) return undefined;
    throw error;
  }
}

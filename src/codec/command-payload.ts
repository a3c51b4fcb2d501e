import {
  encodeEncryptedData,
  readEncryptedData,
  type EncryptedData,
  type EncryptedDataInput,
} from './encrypted-data.ts';
import { toBytes, type BytesLike } from './hex.ts';
import { Reader } from './reader.ts';
import { Writer } from './writer.ts';

/** What stands on the topics of Phala's contracts (protocol.md §6): a contract's command, sealed to its key or open to all. */
export type CommandPayload =
  { readonly kind: 'plain'; readonly content: Uint8Array } | ({ readonly kind: 'encrypted' } & EncryptedData);

export type CommandPayloadInput =
  { readonly kind: 'plain'; readonly content: BytesLike } | ({ readonly kind: 'encrypted' } & EncryptedDataInput);

const variants = { plain: 0, encrypted: 1 } as const;

export function encodeCommandPayload(payload: CommandPayloadInput): Uint8Array {
  const writer = new Writer().u8(variants[payload.kind]);
  const rest = payload.kind === 'plain' ? toBytes(payload.content, 'The content') : encodeEncryptedData(payload);
  return writer.raw(rest).finish();
}

/**
 * A plain command is not length-prefixed: its content is all that follows. Throws truncated, trailing-bytes, non-canonical,
 * unknown-variant.
 */
export function decodeCommandPayload(bytes: Uint8Array): CommandPayload {
  const reader = new Reader(bytes, 'The command payload');
  const variant = reader.u8();
  if (variant === variants.plain) return { kind: 'plain', content: reader.rest() };
  if (variant !== variants.encrypted) throw reader.unknownVariant(variant);
  const encrypted = readEncryptedData(reader);
  reader.end();
  return { kind: 'encrypted', ...encrypted };
}

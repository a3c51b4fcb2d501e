import { decodeBody, encodeBody, Reader, toBytes, toHex, Writer, type Hex } from '../../codec/index.ts';
import { isErrorCode, RelayError, type ErrorDetails } from '../../errors/index.ts';
import { maxFrame } from './frames.ts';
import { readContent } from './sign-content.ts';
import { text, utf8 } from './text.ts';
import type { EcdhPublic, KeepRequest, KeptSealRequest, SealRequest, Vault } from '../vault.ts';

// Every byte of it: docs/agent.md.

const states = ['pending', 'current', 'retired'] as const;
/** By their number in a request. */
export const operations = [
  'keys',
  'sign',
  'seal',
  'open',
  'seal-phala',
  'open-phala',
  'rotate',
  'activate',
  'erase',
  'seal-fresh',
  'forget-fresh',
  'keep',
  'seal-kept',
  'seal-kept-fresh',
] as const;

export type Operation = (typeof operations)[number];

/** Reads a request, does it and gives the bytes of the answer. Throws what the codec and the vault throw. */
export async function perform(vault: Vault, operation: Operation, request: Uint8Array): Promise<Uint8Array> {
  const reader = new Reader(request, 'The request');
  const ended = <T>(value: T): T => {
    reader.end();
    return value;
  };
  switch (operation) {
    case 'keys': {
      reader.end();
      const keys = await vault.ecdhKeys();
      const writer = new Writer().compactLength(keys.length);
      for (const key of keys) writeKey(writer, key);
      return writer.finish();
    }
    case 'sign':
      return vault.sign(ended(readContent(reader)));
    case 'seal':
      return vault.seal(readSealRequest(reader));
    case 'seal-fresh': {
      const freshKey = { keepMs: Number(reader.u64()) };
      return vault.seal({ ...readSealRequest(reader), freshKey });
    }
    case 'keep':
      return vault.keep(readKeepRequest(reader));
    case 'seal-kept': {
      const header = readSealHeader(reader);
      // A copy: the frame belongs to its socket.
      return vault.sealKept({ ...header, kept: new Uint8Array(reader.rest()) });
    }
    case 'seal-kept-fresh': {
      const freshKey = { keepMs: Number(reader.u64()) };
      const header = readSealHeader(reader);
      return vault.sealKept({ ...header, kept: new Uint8Array(reader.rest()), freshKey });
    }
    case 'forget-fresh':
      await vault.forgetFresh(ended(reader.fixed(32)));
      return new Uint8Array();
    case 'open': {
      const genesisHash = toHex(reader.fixed(32));
      return encodeBody((await vault.open({ genesisHash, envelope: reader.rest() })).body);
    }
    case 'seal-phala':
      return vault.sealPhala({ recipientKey: reader.fixed(32), content: reader.rest() });
    case 'open-phala': {
      const { senderKey, content } = await vault.openPhala(reader.rest());
      return new Writer().raw(senderKey).raw(content).finish();
    }
    case 'rotate': {
      const atLeast = reader.u32();
      const replaced = reader.offset < request.length ? { replacing: reader.u32() } : {};
      return writeKey(new Writer(), await vault.rotate(ended({ atLeast, ...replaced }))).finish();
    }
    case 'activate':
      await vault.activate(ended(reader.u32()));
      return new Uint8Array();
    case 'erase': {
      const epochs = await vault.erase({ retiredBefore: Number(ended(reader.u64())) });
      const writer = new Writer().compactLength(epochs.length);
      for (const epoch of epochs) writer.u32(epoch);
      return writer.finish();
    }
  }
}

/** Leaves room in a frame for all that stands beside a body: what is kept can be sealed later, and comes back. */
const maxBody = maxFrame - (1 << 10);

/** Throws bad-value. */
function withinFrame(body: Uint8Array): Uint8Array {
  if (body.length <= maxBody) return body;
  const reason = `it has ${body.length} bytes, and an agent takes ${maxBody}`;
  throw new RelayError('bad-value', { details: { what: 'The body', reason } });
}

type SealHeader = Omit<KeptSealRequest, 'kept' | 'freshKey'>;

export function encodeSealRequest({ body, ...header }: SealRequest): Uint8Array {
  return writeSealHeader(header)
    .raw(withinFrame(encodeBody(body)))
    .finish();
}

export function encodeKeptSealRequest({ kept, ...header }: KeptSealRequest): Uint8Array {
  return writeSealHeader(header).raw(kept).finish();
}

export function encodeKeepRequest({ genesisHash, to, account, nonce, body }: KeepRequest): Uint8Array {
  const writer = new Writer().raw(toBytes(genesisHash, 'genesisHash', 32)).raw(toBytes(to, 'to', 32));
  return writeAccount(writer, account)
    .u64(nonce)
    .raw(withinFrame(encodeBody(body)))
    .finish();
}

function writeSealHeader({ genesisHash, to, recipientKey, account, nonce, sentAt }: SealHeader): Writer {
  const writer = new Writer()
    .raw(toBytes(genesisHash, 'genesisHash', 32))
    .raw(toBytes(to, 'to', 32))
    .raw(toBytes(recipientKey, 'recipientKey', 32));
  return writeAccount(writer, account).u64(nonce).u64(sentAt);
}

function writeAccount(writer: Writer, account: Hex | undefined): Writer {
  return account === undefined ? writer.u8(0) : writer.u8(1).raw(toBytes(account, 'account', 32));
}

function readSealRequest(reader: Reader): SealRequest {
  const header = readSealHeader(reader);
  return { ...header, body: decodeBody(withinFrame(reader.rest())) };
}

function readSealHeader(reader: Reader): SealHeader {
  const genesisHash = toHex(reader.fixed(32));
  const to = toHex(reader.fixed(32));
  const recipientKey = reader.fixed(32);
  const account = readAccount(reader);
  return { genesisHash, to, recipientKey, ...account, nonce: reader.u64(), sentAt: reader.u64() };
}

function readKeepRequest(reader: Reader): KeepRequest {
  const genesisHash = toHex(reader.fixed(32));
  const to = toHex(reader.fixed(32));
  const account = readAccount(reader);
  return { genesisHash, to, ...account, nonce: reader.u64(), body: decodeBody(withinFrame(reader.rest())) };
}

function readAccount(reader: Reader): { readonly account?: Hex } {
  const variant = reader.u8();
  if (variant > 1) throw reader.unknownVariant(variant);
  return variant === 1 ? { account: toHex(reader.fixed(32)) } : {};
}

function writeKey(writer: Writer, { epoch, publicKey, state, createdAt, retiredAt = 0, seals }: EcdhPublic): Writer {
  return writer
    .u32(epoch)
    .raw(publicKey)
    .u8(states.indexOf(state))
    .u64(BigInt(createdAt))
    .u64(BigInt(retiredAt))
    .u64(BigInt(seals));
}

/** An EcdhKey as an answer holds it. */
export function readKey(reader: Reader): EcdhPublic {
  const [epoch, publicKey, variant] = [reader.u32(), reader.fixed(32), reader.u8()];
  const state = states[variant];
  if (state === undefined) throw reader.unknownVariant(variant);
  const [createdAt, retiredAt, seals] = [reader.u64(), reader.u64(), reader.u64()].map(Number) as [
    number,
    number,
    number,
  ];
  return { epoch, publicKey, state, createdAt, ...(state === 'retired' ? { retiredAt } : {}), seals };
}

/** A failure as an answer holds it: its code and its facts, never its cause. */
export function encodeFailure({ code, details = {} }: RelayError): Uint8Array {
  return new Writer()
    .bytes(utf8(code))
    .bytes(utf8(JSON.stringify(details, plain)))
    .finish();
}

export function decodeFailure(bytes: Uint8Array): RelayError {
  const reader = new Reader(bytes, 'The answer');
  const [code, json] = [text(reader.bytes()), text(reader.bytes())];
  reader.end();
  if (!isErrorCode(code)) return new RelayError('agent-protocol', { details: { reason: `a failure of code ${code}` } });
  return new RelayError(code, { details: readDetails(json) });
}

function readDetails(json: string): ErrorDetails {
  try {
    const value: unknown = JSON.parse(json);
    if (typeof value === 'object' && value !== null) return value as ErrorDetails;
  } catch {
    // as any other text that is no object
  }
  throw new RelayError('agent-protocol', { details: { reason: 'the details of a failure are no JSON object' } });
}

function plain(_: string, value: unknown): unknown {
  return typeof value === 'bigint' ? value.toString() : value;
}

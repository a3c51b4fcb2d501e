import { RelayError } from '../errors/index.ts';
import { decodeEnvelope } from './envelope.ts';
import { toBytes, toHex, type Hex } from './hex.ts';
import type { SignedEnvelope } from './signed-envelope.ts';

/** The same as {@link SignedEnvelope} for JSON (protocol.md §8). `nonce` is decimal. */
export interface SignedEnvelopeJson {
  readonly from: Hex;
  readonly to: Hex;
  readonly nonce: string;
  /** The envelope. */
  readonly payload: Hex;
  readonly sig: Hex;
}

export function signedEnvelopeToJson({ identity, signature, envelope }: SignedEnvelope): SignedEnvelopeJson {
  const decoded = decodeEnvelope(envelope);
  if (decoded.suite !== 'v1')
    throw new RelayError('unknown-variant', { details: { what: 'An off-chain envelope', variant: 0 } });
  const { to, nonce } = decoded.header;
  return { from: identity, to, nonce: nonce.toString(), payload: toHex(envelope), sig: toHex(signature) };
}

const fields = ['from', 'to', 'nonce', 'payload', 'sig'] as const;

/** Takes what JSON.parse gave. Throws bad-value for a field that is no string, field-mismatch for one that differs from the header. */
export function signedEnvelopeFromJson(untrusted: unknown): SignedEnvelope {
  const json = checkFields(untrusted);
  const envelope = toBytes(json.payload, 'payload');
  const decoded = decodeEnvelope(envelope);
  if (decoded.suite !== 'v1')
    throw new RelayError('unknown-variant', { details: { what: 'An off-chain envelope', variant: 0 } });
  const { header } = decoded;
  const claimed = { from: json.from.toLowerCase(), to: json.to.toLowerCase(), nonce: json.nonce };
  for (const field of ['from', 'to', 'nonce'] as const)
    if (claimed[field] !== header[field].toString()) throw new RelayError('field-mismatch', { details: { field } });
  return { identity: header.from, signature: toBytes(json.sig, 'sig', 64), envelope };
}

function checkFields(untrusted: unknown): SignedEnvelopeJson {
  const json = Object(untrusted) as Record<string, unknown>;
  for (const field of fields)
    if (typeof json[field] !== 'string')
      throw new RelayError('bad-value', { details: { what: `The field ${field}`, reason: 'it is no string' } });
  return json as unknown as SignedEnvelopeJson;
}

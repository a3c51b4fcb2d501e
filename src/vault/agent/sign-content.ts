import { fromHex, type Reader, toHex, Writer } from '../../codec/index.ts';
import { RelayError } from '../../errors/index.ts';
import type { SignContent } from '../vault.ts';
import { text, utf8 } from './text.ts';

/** What a vault signs, by the number of each in a request. */
export const signTypes = ['ecdh-record', 'envelope', 'login', 'worker-message', 'worker-endpoint'] as const;

/** What is to be signed, as a request holds it. */
export function encodeContent(content: SignContent): Uint8Array {
  const writer = new Writer().u8(signTypes.indexOf(content.type));
  switch (content.type) {
    case 'ecdh-record':
      return writer.raw(fromHex(content.genesisHash)).u32(content.epoch).finish();
    case 'envelope':
      return writer.raw(fromHex(content.genesisHash)).bytes(content.envelope).finish();
    case 'login':
      return writer
        .raw(fromHex(content.genesisHash))
        .bytes(utf8(content.origin))
        .bytes(content.serverNonce)
        .u64(content.expiresAt)
        .finish();
    case 'worker-message':
      return writer.bytes(content.destination).bytes(content.payload).u64(content.sequence).finish();
    case 'worker-endpoint':
      writer.compactLength(content.endpoints.length);
      for (const endpoint of content.endpoints) writer.bytes(utf8(endpoint));
      return writer.u64(content.signingTime).finish();
    default:
      throw new RelayError('bad-value', {
        details: { what: 'The content to sign', reason: 'the vault does not know its type' },
      });
  }
}

/** The type of a content to be signed, for the agent's policy. */
export function contentType(request: Uint8Array): string {
  return signTypes[request[0] ?? signTypes.length] ?? 'unknown';
}

export function readContent(reader: Reader): SignContent {
  const variant = reader.u8();
  const type = signTypes[variant];
  switch (type) {
    case 'ecdh-record':
      return { type, genesisHash: toHex(reader.fixed(32)), epoch: reader.u32() };
    case 'envelope':
      return { type, genesisHash: toHex(reader.fixed(32)), envelope: reader.bytes() };
    case 'login': {
      const genesisHash = toHex(reader.fixed(32));
      const [origin, serverNonce] = [text(reader.bytes()), reader.bytes()];
      return { type, genesisHash, origin, serverNonce, expiresAt: reader.u64() };
    }
    case 'worker-message':
      return { type, destination: reader.bytes(), payload: reader.bytes(), sequence: reader.u64() };
    case 'worker-endpoint': {
      const endpoints: string[] = [];
      for (let left = reader.compactLength(); left > 0; left--) endpoints.push(text(reader.bytes()));
      return { type, endpoints, signingTime: reader.u64() };
    }
    default:
      throw reader.unknownVariant(variant);
  }
}

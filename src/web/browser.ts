export {
  decodeBody,
  decodeEcdhRecord,
  decodeEncryptedData,
  decodeEnvelope,
  decodeSignedEnvelope,
  ecdhRecordContent,
  encodeBody,
  encodeEcdhRecord,
  encodeEncryptedData,
  encodeEnvelope,
  encodeSignedEnvelope,
  envelopeContent,
  fromHex,
  loginContent,
  messageId,
  signedEnvelopeFromJson,
  signedEnvelopeToJson,
  toHex,
  topicOf,
} from '../codec/index.ts';
export type {
  Body,
  BodyInput,
  BytesLike,
  EcdhRecord,
  EncryptedData,
  Envelope,
  EnvelopeInput,
  FromKind,
  Header,
  HeaderInput,
  Hex,
  SignedEnvelope,
  SignedEnvelopeJson,
} from '../codec/index.ts';
export {
  agree,
  deriveCommKey,
  keyPairFromSecretKey,
  keyPairFromSeed,
  openEnvelope,
  openPhala,
  sealEnvelope,
  sealPhala,
  sign,
  verify,
} from '../crypto/core.ts';
export type { CommKeyInput, KeyPair, OpenInput, PhalaSealInput, SealInput } from '../crypto/core.ts';
export { isRelayError, RelayError } from '../errors/index.ts';
export type { ErrorCode, ErrorDetails } from '../errors/index.ts';
export { createRelayClient } from '../relay/browser-client.ts';
export type { BrowserRelayClientOptions } from '../relay/browser-client.ts';
export type { LoginRequest } from '../relay/connection.ts';

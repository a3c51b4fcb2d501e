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
export { sealMessage } from '../channel/seal-message.ts';
export type { Outgoing, SealedMessage, Sender } from '../channel/seal-message.ts';
export { isRelayError, RelayError } from '../errors/index.ts';
export type { ErrorCode, ErrorDetails } from '../errors/index.ts';
export { createRelayOutbox } from '../outbox/create-relay-outbox.ts';
export type { RelayOutboxOptions } from '../outbox/create-relay-outbox.ts';
export type {
  Arrival,
  CancelOptions,
  DeliveryReceipt,
  OutboxEntry,
  ReadReceipt,
  Receipt,
  RelayOutbox,
  SendMessage,
  SendStatus,
} from '../outbox/outbox.ts';
export { createCarrier } from '../relay/carrier.ts';
export type { CarrierOptions } from '../relay/carrier.ts';
export { createRelayClient } from '../relay/browser-client.ts';
export type { BrowserRelayClientOptions } from '../relay/browser-client.ts';
export type { SendReceipt } from '../relay/client.ts';
export type { Reply } from '../relay/read-reply.ts';
export { createRequester } from '../relay/requester.ts';
export type { Asked, PeerDirectory, Request, Requester, RequesterOptions } from '../relay/requester.ts';
export { signMessage } from '../relay/sign-message.ts';
export { openIndexedDbStore } from '../store/indexeddb-store.ts';
export type { IndexedDbStoreOptions } from '../store/indexeddb-store.ts';
export { openMemoryStore } from '../store/memory-store.ts';
export type { TransactionalStore } from '../store/transactional-store.ts';
export { createMemoryVault } from '../vault/browser-vault.ts';
export type { MemoryVaultOptions } from '../vault/memory-vault.ts';
export type { FreshKey, Vault } from '../vault/vault.ts';
export type { LoginRequest } from '../relay/prover.ts';

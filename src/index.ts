export {
  contractOfTopic,
  contractTopic,
  decodeBody,
  decodeCommandPayload,
  decodeEcdhRecord,
  decodeEncryptedData,
  decodeEnvelope,
  decodeForwarded,
  decodeMessageBatch,
  decodeSignedEnvelope,
  ecdhRecordContent,
  encodeBody,
  encodeCommandPayload,
  encodeEcdhRecord,
  encodeEncryptedData,
  encodeEnvelope,
  encodeForwarded,
  encodeMessageBatch,
  encodeSignedEnvelope,
  endpointContent,
  envelopeContent,
  fromHex,
  loginContent,
  messageId,
  signedEnvelopeFromJson,
  signedEnvelopeToJson,
  toHex,
  topicOf,
  workerMessageContent,
} from './codec/index.ts';
export type {
  Body,
  BodyInput,
  BytesLike,
  CommandPayload,
  CommandPayloadInput,
  EcdhRecord,
  EncryptedData,
  Envelope,
  EnvelopeInput,
  EnvelopePhala,
  EnvelopeV1,
  Forwarded,
  FromKind,
  Header,
  HeaderInput,
  Hex,
  SignedEnvelope,
  SignedEnvelopeJson,
} from './codec/index.ts';
export {
  agree,
  deriveCommKey,
  keyPairFromSecretKey,
  keyPairFromSeed,
  openEnvelope,
  openPhala,
  ready,
  sealEnvelope,
  sealPhala,
  sign,
  verify,
} from './crypto/index.ts';
export type { CommKeyInput, KeyPair, OpenInput, PhalaSealInput, SealInput } from './crypto/index.ts';
export { isRelayError, RelayError } from './errors/index.ts';
export type { ErrorCode, ErrorDetails } from './errors/index.ts';
export {
  backupVault,
  connectAgent,
  createMemoryVault,
  createVault,
  dstackSealer,
  identityFromJson,
  identityFromSecret,
  openVault,
  resealVault,
  serveVault,
} from './vault/index.ts';
export type {
  AgentPolicy,
  BackupOptions,
  ConnectAgentOptions,
  CreateVaultOptions,
  DstackSealerOptions,
  EcdhPublic,
  FreshKey,
  GuestAgent,
  MemoryVaultOptions,
  Opened,
  KeepRequest,
  KeptSealRequest,
  PhalaOpened,
  PhalaSealRequest,
  ResealOptions,
  RotateRequest,
  Sealer,
  SealerOptions,
  SealRequest,
  SignContent,
  ServeVaultOptions,
  Vault,
  VaultAgent,
  VaultFileOptions,
} from './vault/index.ts';
export { openJetStreamMailStore, openLmdbMailStore, openLmdbStore, openMemoryStore } from './store/index.ts';
export type {
  JetStreamMailStoreOptions,
  LmdbMailStoreOptions,
  LmdbStoreOptions,
  MailStore,
  NatsOptions,
  TransactionalStore,
} from './store/index.ts';
export { accountFromSuri, connectChain } from './chain/index.ts';
export type { Account, Chain, ConnectOptions, Finality, Head, HeadEvent, Inclusion, NodeFault } from './chain/index.ts';
export { parseAbi } from './contract/index.ts';
export type { CallArguments, ContractAbi, DecodedCall } from './contract/index.ts';
export { readWorker, watchWorkerState } from './worker-state/index.ts';
export type {
  EpochKey,
  WatchOptions,
  WorkerChange,
  WorkerEntry,
  WorkerStateView,
  WorkerStateWatch,
} from './worker-state/index.ts';
export { sealMessage } from './channel/index.ts';
export type { KeyDirectory, Outgoing, SealedMessage, Sender } from './channel/index.ts';
export { publishEndpoints, registerEntity, rotateEntity } from './presence/index.ts';
export type { PresenceOptions, Rotation } from './presence/index.ts';
export { createOutbox, createRelayOutbox, openOutboxQueue, queueMessage } from './outbox/index.ts';
export type {
  Arrival,
  CancelOptions,
  Carried,
  OffChainCarrier,
  Outbox,
  OutboxEntry,
  OutboxOptions,
  OutboxQueue,
  PhalaCommand,
  Posted,
  Queued,
  QueueMessageOptions,
  ReadReceipt,
  Receipt,
  RelayOutbox,
  RetryOptions,
  RelayOutboxOptions,
  ReplyNotice,
  SendMessage,
  SendStatus,
  Suite,
} from './outbox/index.ts';
export { createInbox, createPhalaListener, openInboxFiles, openPhalaFiles } from './inbox/index.ts';
export type { ListedCommand, PhalaFiles } from './inbox/index.ts';
export type { PhalaDelivery, PhalaEvent, PhalaListener, PhalaListenerOptions } from './inbox/index.ts';
export type {
  Delivery,
  GapPolicy,
  HandleOptions,
  InFlightBounds,
  Inbox,
  InboxEvent,
  InboxFiles,
  InboxOptions,
  ListedLetter,
  PendingDelivery,
  Retried,
} from './inbox/index.ts';
export {
  createCarrier,
  createRelay,
  createRelayClient,
  createReplier,
  createRequester,
  feedFromMailbox,
  serveInbox,
  signMessage,
} from './relay/index.ts';
export type {
  Answer,
  Asked,
  CarrierOptions,
  InboxService,
  InvocationCall,
  MailboxEvent,
  NodeRelayClientOptions,
  PeerDirectory,
  Prover,
  Relay,
  RelayClient,
  RelayOptions,
  Replier,
  ReplierOptions,
  ReplyDirectory,
  Reply,
  Request,
  Requester,
  RequesterOptions,
  ServeInboxOptions,
} from './relay/index.ts';
export { startDevChain } from './dev-chain/index.ts';
export type { DevChain, DevChainOptions } from './dev-chain/index.ts';

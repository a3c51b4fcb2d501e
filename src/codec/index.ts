export { decodeBody, encodeBody } from './body.ts';
export type { Body, BodyInput } from './body.ts';
export { compareBytes, concatBytes, equalBytes, isZero } from './bytes.ts';
export { decodeCommandPayload, encodeCommandPayload } from './command-payload.ts';
export type { CommandPayload, CommandPayloadInput } from './command-payload.ts';
export { decodeEcdhRecord, encodeEcdhRecord, isEcdhRecord } from './ecdh-record.ts';
export type { EcdhRecord, EcdhRecordInput } from './ecdh-record.ts';
export { decodeEncryptedData, encodeEncryptedData } from './encrypted-data.ts';
export type { EncryptedData, EncryptedDataInput } from './encrypted-data.ts';
export { decodeEnvelope, encodeEnvelope, encodeEnvelopeV1, locateV1 } from './envelope.ts';
export type { Envelope, EnvelopeInput, EnvelopePhala, EnvelopeV1 } from './envelope.ts';
export { decodeForwarded, encodeForwarded } from './forwarded.ts';
export type { Forwarded } from './forwarded.ts';
export { encodeHeader, headerLength } from './header.ts';
export type { FromKind, Header, HeaderInput } from './header.ts';
export { HeaderStarts } from './header-starts.ts';
export { activateHash256 } from './hash256.ts';
export { fromHex, toBytes, toHex } from './hex.ts';
export type { BytesLike, Hex } from './hex.ts';
export { decodeMessageBatch, encodeMessageBatch } from './message-batch.ts';
export { messageId } from './message-id.ts';
export { encodeWorkerMessage, isWellFormedTopic, refuseBadTopic, topicOf, workerMessageContent } from './mq-message.ts';
export type { WorkerMessage } from './mq-message.ts';
export { contractOfTopic, contractTopic, refusePhalaTopic, topicFromText } from './phala-topic.ts';
export { Reader } from './reader.ts';
export {
  ecdhRecordContent,
  encodeEndpointPayload,
  endpointContent,
  envelopeContent,
  loginContent,
} from './signed-content.ts';
export type { EcdhRecordContent, EndpointPayload, LoginContent } from './signed-content.ts';
export { decodeSignedEnvelope, encodeSignedEnvelope } from './signed-envelope.ts';
export type { SignedEnvelope, SignedEnvelopeInput } from './signed-envelope.ts';
export { signedEnvelopeFromJson, signedEnvelopeToJson } from './signed-envelope-json.ts';
export type { SignedEnvelopeJson } from './signed-envelope-json.ts';
export { lengthOfBytes, Writer } from './writer.ts';

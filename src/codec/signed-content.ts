import { hash256 } from './hash256.ts';
import { toBytes, type BytesLike } from './hex.ts';
import { Writer } from './writer.ts';

// The leading 0xff keeps a signature from ever being valid for a message-queue message (protocol.md §7).
const notMessageQueue = 0xff;
const typeLength = 2;
const types = { workerEndpoint: 0x02, envelope: 0x4b, login: 0x4c, ecdhRecord: 0x52 } as const;

/** `length` of what follows, where it is known. */
function typed(type: keyof typeof types, length?: number): Writer {
  return new Writer(length === undefined ? undefined : typeLength + length).u8(notMessageQueue).u8(types[type]);
}

export interface EcdhRecordContent {
  readonly genesisHash: BytesLike;
  readonly identity: BytesLike;
  readonly ecdhPublic: BytesLike;
  readonly epoch: number;
}

/** What IdentityKey signs to prove a rotated EcdhKey (protocol.md §7). */
export function ecdhRecordContent({ genesisHash, identity, ecdhPublic, epoch }: EcdhRecordContent): Uint8Array {
  return typed('ecdhRecord')
    .raw(toBytes(genesisHash, 'genesisHash', 32))
    .raw(toBytes(identity, 'identity', 32))
    .raw(toBytes(ecdhPublic, 'ecdhPublic', 32))
    .u32(epoch)
    .finish();
}

/** What IdentityKey signs for an off-chain message (protocol.md §8). */
export function envelopeContent({
  genesisHash,
  envelope,
}: {
  readonly genesisHash: BytesLike;
  readonly envelope: Uint8Array;
}): Uint8Array {
  return typed('envelope', 32 + envelope.length)
    .raw(toBytes(genesisHash, 'genesisHash', 32))
    .raw(envelope)
    .finish();
}

export interface LoginContent {
  readonly genesisHash: BytesLike;
  readonly identity: BytesLike;
  /** `scheme://host:port` as dialled, lower case, port written out. */
  readonly origin: string;
  readonly serverNonce: BytesLike;
  /** Unix time, ms. */
  readonly expiresAt: bigint | number;
}

/** What IdentityKey signs to read its mailbox at a relay (protocol.md §11). */
export function loginContent({ genesisHash, identity, origin, serverNonce, expiresAt }: LoginContent): Uint8Array {
  return typed('login')
    .raw(toBytes(genesisHash, 'genesisHash', 32))
    .raw(toBytes(identity, 'identity', 32))
    .raw(hash256(new TextEncoder().encode(origin)))
    .raw(toBytes(serverNonce, 'serverNonce', 32))
    .u64(expiresAt)
    .finish();
}

export interface EndpointPayload {
  readonly identity: BytesLike;
  readonly endpoints: readonly string[];
  /** Unix time, ms, by the chain's clock. */
  readonly signingTime: bigint | number;
}

/** SCALE of `WorkerEndpointPayload` with `V1` endpoints, as the chain takes it. */
export function encodeEndpointPayload({ identity, endpoints, signingTime }: EndpointPayload): Uint8Array {
  const writer = new Writer()
    .raw(toBytes(identity, 'identity', 32))
    .u8(0)
    .compactLength(endpoints.length);
  for (const endpoint of endpoints) writer.bytes(new TextEncoder().encode(endpoint));
  return writer.u64(signingTime).finish();
}

/** What IdentityKey signs for `PhalaRegistry.updateWorkerEndpoint`. */
export function endpointContent(payload: EndpointPayload): Uint8Array {
  return typed('workerEndpoint').raw(encodeEndpointPayload(payload)).finish();
}

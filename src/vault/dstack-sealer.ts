import { hkdf } from '@noble/hashes/hkdf.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { Reader, Writer } from '../codec/index.ts';
import { RelayError } from '../errors/index.ts';
import type { Sealer } from './sealer.ts';

/** What is used of the SDK's `DstackClient`. */
export interface GuestAgent {
  getKey(path: string, purpose: string): Promise<{ readonly key: Uint8Array }>;
}

export interface DstackSealerOptions {
  /** Default: a client of @phala/dstack-sdk, which must be installed then. */
  readonly client?: GuestAgent;
  /** Socket or URL of the guest agent, for that client. Default: where dstack has it, or DSTACK_SIMULATOR_ENDPOINT. */
  readonly endpoint?: string;
  /** Tells several vaults of one app apart. Default "khala-relay/vault". */
  readonly path?: string;
}

const saltLength = 16;
const purpose = 'khala-relay vault';
const info = new TextEncoder().encode('khala-relay vault key v1');

/**
 * Seals under a key that the guest agent of a dstack TEE derives for this app: only the same app, measured the same, opens
 * the file again. `deriveKey` throws sealer-unavailable.
 */
export function dstackSealer({ client, endpoint, path = 'khala-relay/vault' }: DstackSealerOptions = {}): Sealer {
  return {
    kind: 1,
    newParameters: () =>
      new Writer()
        .raw(crypto.getRandomValues(new Uint8Array(saltLength)))
        .bytes(utf8(path))
        .finish(),
    async deriveKey(parameters) {
      const reader = new Reader(parameters, 'The parameters of the vault');
      const salt = reader.fixed(saltLength);
      const sealedAs = new TextDecoder().decode(reader.bytes());
      reader.end();
      const root = await appKey(sealedAs, async () => client ?? sdkClient(endpoint));
      try {
        return hkdf(sha256, root, salt, info, 32);
      } finally {
        root.fill(0);
      }
    },
  };
}

async function appKey(path: string, connect: () => Promise<GuestAgent>): Promise<Uint8Array> {
  const client = await connect();
  let key: Uint8Array;
  try {
    ({ key } = await client.getKey(path, purpose));
  } catch (cause) {
    throw unavailable(cause instanceof Error ? cause.message : String(cause), cause);
  }
  if (key.length !== 32) throw unavailable(`the guest agent gave a key of ${key.length} bytes, not 32`);
  return key;
}

async function sdkClient(endpoint: string | undefined): Promise<GuestAgent> {
  try {
    const sdk = await import('@phala/dstack-sdk');
    return new sdk.DstackClient(endpoint);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw unavailable(`${reason} (npm install @phala/dstack-sdk)`, cause);
  }
}

function unavailable(reason: string, cause?: unknown): RelayError {
  return new RelayError('sealer-unavailable', { details: { reason }, cause });
}

function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

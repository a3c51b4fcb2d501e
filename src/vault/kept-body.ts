import { concatBytes, decodeBody, encodeBody, Reader, toBytes, Writer, type Body, type Hex } from '../codec/index.ts';
import { backend } from '../crypto/core.ts';
import { RelayError } from '../errors/index.ts';
import type { KeepRequest } from './vault.ts';

const version = 1;
const saltLength = 32;
const keyLength = 32;
const tagLength = 16;
/** HKDF's info. */
const purpose = new TextEncoder().encode('khala-relay/kept-body/v1');
/** Every key seals once, so the IV need not vary. */
const iv = new Uint8Array(12);

/** Whose message a body is for, and which: it opens for no other. */
type Addressee = Omit<KeepRequest, 'body'>;

/**
 * Seals a body for the vault itself: `1 ‖ salt (32) ‖ AES-256-GCM`, under a key of its own by HKDF-SHA512 (RFC 5869) of the
 * IdentityKey, with what the message's header will say as additional data.
 */
export function keepBody(secretKey: Uint8Array, sender: Hex, { body, ...addressee }: KeepRequest): Uint8Array {
  const salt = crypto.getRandomValues(new Uint8Array(saltLength));
  const plain = encodeBody(body);
  const sealed = withKey(secretKey, salt, (key) =>
    backend().sealAes256Gcm(key, iv, additionalData(sender, addressee), plain),
  );
  plain.fill(0);
  return new Writer(1 + saltLength + sealed.length).u8(version).raw(salt).raw(sealed).finish();
}

/** Throws kept-open-failed, truncated, unknown-variant. */
export function openKept(secretKey: Uint8Array, sender: Hex, addressee: Addressee, kept: Uint8Array): Body {
  const reader = new Reader(kept, 'A kept body');
  const found = reader.u8();
  if (found !== version) throw reader.unknownVariant(found);
  const salt = reader.fixed(saltLength);
  const sealed = reader.rest();
  const plain =
    sealed.length < tagLength
      ? undefined
      : withKey(secretKey, salt, (key) => backend().openAes256Gcm(key, iv, additionalData(sender, addressee), sealed));
  if (plain === undefined) throw new RelayError('kept-open-failed');
  return decodeBody(plain, true);
}

function withKey<T>(secretKey: Uint8Array, salt: Uint8Array, use: (key: Uint8Array) => T): T {
  const extracted = backend().hmacSha512(salt, secretKey);
  const expanded = backend().hmacSha512(extracted, concatBytes(purpose, Uint8Array.of(1)));
  try {
    return use(expanded.subarray(0, keyLength));
  } finally {
    extracted.fill(0);
    expanded.fill(0);
  }
}

function additionalData(sender: Hex, { genesisHash, to, account, nonce }: Addressee): Uint8Array {
  return new Writer()
    .u8(version)
    .raw(toBytes(genesisHash, 'genesisHash', 32))
    .u8(account === undefined ? 0 : 1)
    .raw(toBytes(account ?? sender, 'from', 32))
    .raw(toBytes(to, 'to', 32))
    .u64(nonce)
    .finish();
}

import { xchacha20poly1305 } from '@noble/ciphers/chacha.js';
import { blake2b } from '@noble/hashes/blake2.js';
import { concatBytes, equalBytes, Reader, Writer } from '../codec/index.ts';
import { RelayError } from '../errors/index.ts';

const magic = new TextEncoder().encode('khala-relay vault\n');
const version = 1;
const nonceLength = 24;
const checksumLength = 32;
const fixedLength = magic.length + 1;
/** Bytes that no vault file has more of. */
export const greatestLength = 1 << 20;

/** What stands in a vault file (docs/vault.md). */
export interface Container {
  /** Which sealer made the key. */
  readonly sealerKind: number;
  readonly parameters: Uint8Array;
  readonly nonce: Uint8Array;
  readonly sealed: Uint8Array;
}

/**
 * Seals `contents` with XChaCha20-Poly1305 under a 32-byte key; the header is authenticated, the file checksummed.
 * Throws bad-value for what could not be opened again.
 */
export function sealContainer(
  key: Uint8Array,
  { sealerKind, parameters }: Pick<Container, 'sealerKind' | 'parameters'>,
  contents: Uint8Array,
  nonce: Uint8Array,
): Uint8Array {
  const header = encodeHeader(sealerKind, parameters);
  const sealed = xchacha20poly1305(key, nonce, header).encrypt(contents);
  const body = new Writer().raw(header).raw(nonce).bytes(sealed).finish();
  if (body.length + checksumLength > greatestLength)
    throw new RelayError('bad-value', { details: { what: 'The vault', reason: 'it would have more than 1 MiB' } });
  return concatBytes(body, checksum(body));
}

/**
 * Checks form and checksum. Throws vault-foreign, vault-too-new, vault-truncated, vault-corrupt: so that what remains
 * to fail in {@link openContainer} is the key.
 */
export function decodeContainer(file: Uint8Array, path: string): Container {
  if (file.length < fixedLength || !equalBytes(file.subarray(0, magic.length), magic)) throw foreignOrCut(file, path);
  const found = file[magic.length] ?? 0;
  if (found < version) throw corrupt(path, `there is no format version ${found}`);
  if (found > version) throw new RelayError('vault-too-new', { details: { path, version: found } });
  if (file.length > greatestLength) throw corrupt(path, 'it is larger than any vault');
  const container = readBody(file, path);
  const body = file.subarray(0, file.length - checksumLength);
  if (!equalBytes(checksum(body), file.subarray(body.length))) throw corrupt(path, 'its checksum does not fit');
  return container;
}

/** The contents. Throws wrong-passphrase, or wrong-seal-key for another sealer, where another key sealed them. */
export function openContainer(key: Uint8Array, container: Container, path: string): Uint8Array {
  const { sealerKind, parameters, nonce, sealed } = container;
  try {
    return xchacha20poly1305(key, nonce, encodeHeader(sealerKind, parameters)).decrypt(sealed);
  } catch {
    throw new RelayError(sealerKind === 0 ? 'wrong-passphrase' : 'wrong-seal-key', { details: { path } });
  }
}

export function newNonce(): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(nonceLength));
}

function encodeHeader(sealerKind: number, parameters: Uint8Array): Uint8Array {
  return new Writer().raw(magic).u8(version).u8(sealerKind).bytes(parameters).finish();
}

function readBody(file: Uint8Array, path: string): Container {
  try {
    const reader = new Reader(file.subarray(fixedLength), 'The vault');
    const container = {
      sealerKind: reader.u8(),
      parameters: reader.bytes(),
      nonce: reader.fixed(nonceLength),
      sealed: reader.bytes(),
    };
    reader.fixed(checksumLength);
    reader.end();
    return container;
  } catch (cause) {
    if (!(cause instanceof RelayError) || cause.code !== 'truncated') throw corrupt(path, 'its form is broken');
    const expected = file.length + Number(cause.details?.['needed']) - Number(cause.details?.['left']);
    throw new RelayError('vault-truncated', { details: { path, actual: file.length, expected } });
  }
}

function foreignOrCut(file: Uint8Array, path: string): RelayError {
  const isCut = file.length < fixedLength && equalBytes(file, magic.subarray(0, file.length));
  if (!isCut) return new RelayError('vault-foreign', { details: { path } });
  return new RelayError('vault-truncated', { details: { path, actual: file.length, expected: fixedLength } });
}

function corrupt(path: string, reason: string): RelayError {
  return new RelayError('vault-corrupt', { details: { path, reason } });
}

function checksum(bytes: Uint8Array): Uint8Array {
  return blake2b(bytes, { dkLen: checksumLength });
}

import { decodePair } from '@polkadot/keyring/pair/decode';
import { base64Decode } from '@polkadot/util-crypto';
import { equalBytes } from '../codec/index.ts';
import { canonicalSecretKey, keyPairFromSecretKey, keyPairFromSeed, type KeyPair } from '../crypto/index.ts';
import { RelayError } from '../errors/index.ts';

/** Characters of an export: a longer text is something else. */
const maxLength = 16 * 1024;

/**
 * An IdentityKey from the JSON that polkadot-js exports for an account (versions 0 to 3), sealed or not. Throws
 * bad-key-file, wrong-key-file-password.
 */
export function identityFromJson(json: string, password: string): KeyPair {
  const { encoded, encryption } = readExport(json);
  // An export that is not sealed opens with no password only, whatever is given.
  const used = encryption.includes('xsalsa20-poly1305') ? password : '';
  let pair: ReturnType<typeof decodePair>;
  try {
    // Costs of scrypt that no export has are refused by the library before their work is done.
    pair = decodePair(used, base64Decode(encoded), encryption as never);
  } catch (cause) {
    if (cause instanceof Error && /using the supplied passphrase|Password required/.test(cause.message))
      throw new RelayError('wrong-key-file-password');
    throw unusable(cause instanceof Error ? cause.message : String(cause));
  }
  const { publicKey, secretKey } = pair;
  // Exports keep a secret key in schnorrkel's ed25519 layout; the oldest ones the seed.
  const identity =
    secretKey.length === 32
      ? keyPairFromSeed(secretKey)
      : keyPairFromSecretKey(canonicalSecretKey(secretKey, 'ed25519'));
  if (!equalBytes(identity.publicKey, publicKey))
    throw unusable('its secret key and its public key do not belong together');
  return identity;
}

/** Whether a text is meant to be such an export. */
export function isKeyFile(text: string): boolean {
  return text.trimStart().startsWith('{');
}

function readExport(json: string): { readonly encoded: string; readonly encryption: readonly string[] } {
  if (json.length > maxLength) throw unusable('it is too long');
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    throw unusable('it is not JSON');
  }
  const { encoded, encoding } = (value ?? {}) as {
    encoded?: unknown;
    encoding?: { content?: unknown; type?: unknown };
  };
  if (typeof encoded !== 'string' || typeof encoding !== 'object') throw unusable('it has no encoded key');
  const content = [encoding.content].flat();
  if (!content.includes('sr25519')) throw unusable(`its key is ${String(content.at(-1))}, not sr25519`);
  return { encoded, encryption: [encoding.type].flat().map(String) };
}

function unusable(reason: string): RelayError {
  return new RelayError('bad-key-file', { details: { reason } });
}

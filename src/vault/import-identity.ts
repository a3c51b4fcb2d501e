import { DEV_PHRASE } from '@polkadot/keyring';
import {
  keyExtractSuri,
  keyFromPath,
  mnemonicToMiniSecret,
  mnemonicValidate,
  sr25519PairFromSeed,
} from '@polkadot/util-crypto';
import { fromHex } from '../codec/index.ts';
import { canonicalSecretKey, keyPairFromSecretKey, keyPairFromSeed, type KeyPair } from '../crypto/index.ts';
import { RelayError } from '../errors/index.ts';

/**
 * An IdentityKey that exists elsewhere: a 32-byte seed or a 64-byte secret key (either layout of protocol.md §1) in
 * 0x-hex, a mnemonic, or either of the first and third with a derivation path, as `//polkadot//0`. A path alone, as
 * `//Alice`, is of the public development phrase. Throws bad-secret-key.
 */
export function identityFromSecret(secret: string): KeyPair {
  const text = secret.trim();
  if (/^0x[0-9a-f]{128}$/i.test(text)) return keyPairFromSecretKey(fromHex(text));
  if (/^0x[0-9a-f]{64}$/i.test(text)) return keyPairFromSeed(fromHex(text));
  const { phrase, path, password } = parseSuri(/^\/\/?\w/.test(text) ? `${DEV_PHRASE}${text}` : text);
  const seed = /^0x[0-9a-f]{64}$/i.test(phrase) ? fromHex(phrase) : seedOfMnemonic(phrase, password);
  if (path.length === 0) return keyPairFromSeed(seed);
  const { secretKey } = keyFromPath(sr25519PairFromSeed(seed), path, 'sr25519');
  // Its layout must be said: after a soft junction one in eight would pass for the other one.
  return keyPairFromSecretKey(canonicalSecretKey(secretKey, 'ed25519'));
}

function parseSuri(text: string): ReturnType<typeof keyExtractSuri> {
  try {
    return keyExtractSuri(text);
  } catch {
    throw unusable();
  }
}

function seedOfMnemonic(phrase: string, password: string | undefined): Uint8Array {
  if (!mnemonicValidate(phrase)) throw unusable();
  return mnemonicToMiniSecret(phrase, password);
}

// Says nothing of the text itself: it is, or nearly is, a secret.
function unusable(): RelayError {
  return new RelayError('bad-secret-key', {
    details: { reason: 'it is neither a mnemonic nor 32 or 64 bytes of 0x-hex, with or without a derivation path' },
  });
}

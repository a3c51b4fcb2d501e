import { Keyring } from '@polkadot/keyring';
import { toHex } from '../codec/index.ts';
import { RelayError } from '../errors/index.ts';
import type { Account } from './submit/submission.ts';

/** An sr25519 account from a mnemonic, a seed or a dev path such as `//Alice`. Throws bad-suri, which never repeats it. */
export function accountFromSuri(suri: string): Account {
  try {
    const pair = new Keyring({ type: 'sr25519' }).addFromUri(suri);
    return { id: toHex(pair.publicKey), sign: (payload) => pair.sign(payload) };
  } catch {
    // No cause: the library's message may quote the secret.
    throw new RelayError('bad-suri');
  }
}

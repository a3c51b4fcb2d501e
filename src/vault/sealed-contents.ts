import { asRelayError, isRelayError, RelayError } from '../errors/index.ts';
import { decodeContainer, newNonce, openContainer, sealContainer, type Container } from './container.ts';
import { decodeContents, encodeContents, type VaultContents } from './contents.ts';
import { passphraseSealer, type Argon2Cost } from './passphrase-sealer.ts';
import type { Sealer } from './sealer.ts';

export interface SealerOptions {
  /** Either this or `sealer`. */
  readonly passphrase?: string;
  readonly sealer?: Sealer;
  /** Work factors for a new file. */
  readonly cost?: Partial<Argon2Cost>;
}

/** The key of a vault file, and what goes into the header of each version of it. */
export interface Unlocked extends Pick<Container, 'sealerKind' | 'parameters'> {
  readonly key: Uint8Array;
}

export function sealerOf({ sealer, passphrase, cost }: SealerOptions): Sealer {
  return sealer ?? passphraseSealer(passphrase ?? '', cost === undefined ? {} : { cost });
}

/** A new key for a file. Throws what the sealer throws. */
export async function newUnlocked(sealer: Sealer): Promise<Unlocked> {
  const parameters = sealer.newParameters();
  return { key: await sealer.deriveKey(parameters), sealerKind: sealer.kind, parameters };
}

/**
 * Opens the bytes of a vault file. Throws vault-foreign, vault-too-new, vault-truncated, vault-corrupt,
 * vault-hostile-parameters, wrong-sealer, wrong-passphrase, wrong-seal-key, and what the sealer throws.
 */
export async function unlock(
  file: Uint8Array,
  sealer: Sealer,
  path: string,
): Promise<{ readonly unlocked: Unlocked; readonly contents: VaultContents }> {
  const container = decodeContainer(file, path);
  const { sealerKind, parameters } = container;
  if (sealer.kind !== sealerKind)
    throw new RelayError('wrong-sealer', {
      details: { path, actual: nameOf(sealer.kind), expected: nameOf(sealerKind) },
    });
  const key = await deriveKey(sealer, parameters, path);
  return { unlocked: { key, sealerKind, parameters }, contents: unseal(key, container, path) };
}

/** A vault file with these contents. */
export function encode({ key, ...header }: Unlocked, contents: VaultContents): Uint8Array {
  const plain = encodeContents(contents);
  try {
    return sealContainer(key, header, plain, newNonce());
  } finally {
    plain.fill(0);
  }
}

/** Throws wrong-passphrase, wrong-seal-key, vault-too-new, vault-corrupt. */
export function unseal(key: Uint8Array, container: Container, path: string): VaultContents {
  const plain = openContainer(key, container, path);
  try {
    return decodeContents(plain, path);
  } catch (cause) {
    if (isRelayError(cause, 'vault-too-new')) throw cause;
    throw vaultCorrupt(path, 'its contents can not be read', cause);
  } finally {
    plain.fill(0);
  }
}

async function deriveKey(sealer: Sealer, parameters: Uint8Array, path: string): Promise<Uint8Array> {
  try {
    return await sealer.deriveKey(parameters);
  } catch (cause) {
    if (!(cause instanceof RelayError)) throw asRelayError(cause, 'vault-io', { path });
    if (cause.code === 'sealer-unavailable') throw cause;
    const reason = String(cause.details?.['reason'] ?? cause.message);
    if (cause.code === 'vault-hostile-parameters')
      throw new RelayError('vault-hostile-parameters', { details: { path, reason } });
    throw vaultCorrupt(path, 'the parameters of its sealer can not be read', cause);
  }
}

export function vaultCorrupt(path: string, reason: string, cause?: unknown): RelayError {
  return new RelayError('vault-corrupt', { details: { path, reason }, cause });
}

/** As people know the kinds. */
function nameOf(kind: number): string {
  return ['a passphrase', "a TEE's guest agent"][kind] ?? `a sealer of kind ${kind}`;
}

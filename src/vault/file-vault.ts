import { toHex, type Hex } from '../codec/index.ts';
import { keyPairFromSecretKey, keyPairFromSeed, ready, type KeyPair } from '../crypto/index.ts';
import { asRelayError, RelayError } from '../errors/index.ts';
import { withFileLock } from '../store/index.ts';
import { decodeContainer, newNonce, openContainer, sealContainer, type Container } from './container.ts';
import { decodeContents, encodeContents, type VaultContents } from './contents.ts';
import { KeyRing } from './key-ring.ts';
import { passphraseSealer, type Argon2Cost } from './passphrase-sealer.ts';
import { withCurrentEpoch, withPendingEpoch } from './rotation.ts';
import type { Sealer } from './sealer.ts';
import { readVaultFile, replaceVaultFile, vaultFileVersion, vaultPath, writeNewVaultFile } from './vault-file.ts';
import type { EcdhPublic, Opened, SealRequest, SignContent, Vault } from './vault.ts';

export interface VaultFileOptions {
  readonly path: string;
  /** Either this or `sealer`. */
  readonly passphrase?: string;
  readonly sealer?: Sealer;
  /** Work factors for a new file. */
  readonly cost?: Partial<Argon2Cost>;
  /** Default Date.now. */
  readonly now?: () => number;
}

export interface CreateVaultOptions extends VaultFileOptions {
  /** Default: random keys. Takes over an entity that exists elsewhere. */
  readonly identity?: KeyPair;
}

/** The key of the file, and what goes into the header of each version of it. */
interface Unlocked extends Pick<Container, 'sealerKind' | 'parameters'> {
  readonly key: Uint8Array;
}

/**
 * Makes a new vault with random keys, sealed at `path` (mode 0600). Throws vault-exists, weak-passphrase, vault-io,
 * bad-value.
 */
export async function createVault(options: CreateVaultOptions): Promise<Vault> {
  await ready();
  const path = await vaultPath(options.path);
  const { identity, now = Date.now } = options;
  const contents: VaultContents = {
    identity: identity === undefined ? randomKeyPair() : keyPairFromSecretKey(identity.secretKey),
    epochs: [{ epoch: 0, keyPair: randomKeyPair(), createdAt: now(), state: 'current' }],
    erased: [],
  };
  const sealer = sealerOf(options);
  const parameters = sealer.newParameters();
  const unlocked = { key: await sealer.deriveKey(parameters), sealerKind: sealer.kind, parameters };
  const version = await writeNewVaultFile(path, encode(unlocked, contents));
  return new FileVault(path, unlocked, contents, version, now);
}

/**
 * Opens a sealed vault. Throws vault-missing, vault-exposed, vault-foreign, vault-too-new, vault-truncated,
 * vault-corrupt, vault-hostile-parameters, weak-passphrase, wrong-passphrase, vault-io; never writes.
 */
export async function openVault(options: VaultFileOptions): Promise<Vault> {
  await ready();
  const path = await vaultPath(options.path);
  const { now = Date.now } = options;
  const version = await vaultFileVersion(path);
  const container = decodeContainer(await readVaultFile(path), path);
  const sealer = sealerOf(options);
  if (sealer.kind !== container.sealerKind) throw corrupt(path, 'it was sealed by another kind of sealer');
  const { sealerKind, parameters } = container;
  const key = await deriveKey(sealer, parameters, path);
  const contents = unseal(key, container, path);
  return new FileVault(path, { key, sealerKind, parameters }, contents, version, now);
}

/** A vault whose file other processes may write too: it follows their changes. */
class FileVault implements Vault {
  readonly identity: Hex;
  readonly #path: string;
  readonly #unlocked: Unlocked;
  readonly #now: () => number;
  #ring: KeyRing | undefined;
  #version: string | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(
    path: string,
    unlocked: Unlocked,
    contents: VaultContents,
    version: string | undefined,
    now: () => number,
  ) {
    this.#path = path;
    this.#unlocked = unlocked;
    this.#ring = new KeyRing(contents);
    this.#version = version;
    this.#now = now;
    this.identity = this.#ring.identity;
  }

  async ecdhKeys(): Promise<readonly EcdhPublic[]> {
    return (await this.#fresh()).ecdhKeys();
  }

  async sign(content: SignContent): Promise<Uint8Array> {
    const ring = content.type === 'ecdh-record' ? await this.#fresh() : this.#open();
    return ring.sign(content);
  }

  async seal(request: SealRequest): Promise<Uint8Array> {
    return this.#open().seal(request);
  }

  async open(request: { readonly genesisHash: Hex; readonly envelope: Uint8Array }): Promise<Opened> {
    try {
      return this.#open().open(request);
    } catch (error) {
      // The epoch may have been made by another process since.
      if (!(error instanceof RelayError) || error.code !== 'unknown-epoch') throw error;
      return (await this.#fresh()).open(request);
    }
  }

  async rotate({ atLeast = 0 }: { readonly atLeast?: number } = {}): Promise<EcdhPublic> {
    const ring = await this.#change((contents) => withPendingEpoch(contents, atLeast, randomKeyPair, this.#now()));
    const pending = ring.ecdhKeys().find(({ state }) => state === 'pending');
    if (pending === undefined) throw new RelayError('unknown-epoch', { details: { epoch: 'any pending epoch' } });
    return pending;
  }

  async activate(epoch: number): Promise<void> {
    await this.#change((contents) => withCurrentEpoch(contents, epoch));
  }

  async close(): Promise<void> {
    this.#ring?.clear();
    this.#ring = undefined;
    this.#unlocked.key.fill(0);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #open(): KeyRing {
    if (this.#ring === undefined) throw new RelayError('vault-closed');
    return this.#ring;
  }

  /** With what the file holds now; what is in memory where there is no file. */
  async #fresh(): Promise<KeyRing> {
    this.#open();
    const version = await vaultFileVersion(this.#path);
    if (version === undefined || version === this.#version) return this.#open();
    return this.#inTurn(() => this.#load());
  }

  async #load(): Promise<KeyRing> {
    // Before the content: if the file is replaced in between, the next look finds it changed.
    const version = await vaultFileVersion(this.#path);
    const file = await readVaultFile(this.#path);
    const ring = this.#open();
    const contents = unseal(this.#unlocked.key, decodeContainer(file, this.#path), this.#path);
    if (toHex(contents.identity.publicKey) !== this.identity)
      throw corrupt(this.#path, 'it holds another entity than when it was opened');
    ring.update(contents);
    this.#version = version;
    return ring;
  }

  async #change(update: (contents: VaultContents) => VaultContents): Promise<KeyRing> {
    this.#open();
    return this.#inTurn(() =>
      this.#locked(async () => {
        // Always read: two versions of a file may have the same inode, size and time.
        await this.#load();
        const ring = this.#open();
        const before = ring.contents;
        const after = update(before);
        if (after === before) return ring;
        // Nothing is awaited since the vault was found open: its key is there.
        const version = await replaceVaultFile(this.#path, encode(this.#unlocked, after));
        this.#open().update(after);
        this.#version = version;
        return this.#open();
      }),
    );
  }

  #locked<T>(work: () => Promise<T>): Promise<T> {
    return withFileLock(this.#path, work).catch((error: unknown) => {
      if (!(error instanceof RelayError) || error.code !== 'store-failed') throw error;
      const reason = String(error.details?.['reason']);
      throw new RelayError('vault-io', { details: { path: this.#path, reason }, cause: error });
    });
  }

  // A reader that was overtaken must not put back what a change has replaced.
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work);
    this.#turn = result.catch(() => undefined);
    return result;
  }
}

function encode({ key, ...header }: Unlocked, contents: VaultContents): Uint8Array {
  const plain = encodeContents(contents);
  try {
    return sealContainer(key, header, plain, newNonce());
  } finally {
    plain.fill(0);
  }
}

function unseal(key: Uint8Array, container: Container, path: string): VaultContents {
  const plain = openContainer(key, container, path);
  try {
    return decodeContents(plain);
  } catch (cause) {
    throw corrupt(path, 'its contents can not be read', cause);
  } finally {
    plain.fill(0);
  }
}

async function deriveKey(sealer: Sealer, parameters: Uint8Array, path: string): Promise<Uint8Array> {
  try {
    return await sealer.deriveKey(parameters);
  } catch (cause) {
    if (!(cause instanceof RelayError)) throw asRelayError(cause, 'vault-io', { path });
    const reason = String(cause.details?.['reason'] ?? cause.message);
    if (cause.code === 'vault-hostile-parameters')
      throw new RelayError('vault-hostile-parameters', { details: { path, reason } });
    throw corrupt(path, 'the parameters of its sealer can not be read', cause);
  }
}

function corrupt(path: string, reason: string, cause?: unknown): RelayError {
  return new RelayError('vault-corrupt', { details: { path, reason }, cause });
}

function sealerOf({ sealer, passphrase, cost }: VaultFileOptions): Sealer {
  return sealer ?? passphraseSealer(passphrase ?? '', cost === undefined ? {} : { cost });
}

function randomKeyPair(): KeyPair {
  const seed = crypto.getRandomValues(new Uint8Array(32));
  const pair = keyPairFromSeed(seed);
  seed.fill(0);
  return pair;
}

import { equalBytes, toHex, type Hex } from '../codec/index.ts';
import { RelayError } from '../errors/index.ts';
import { decodeContainer } from './container.ts';
import type { VaultContents } from './contents.ts';
import { KeyRing } from './key-ring.ts';
import { encode, unseal, vaultCorrupt, type Unlocked } from './sealed-contents.ts';
import { readVaultFile, replaceVaultFile, vaultFileVersion, withVaultLock } from './vault-file.ts';

interface UnlockedFile {
  readonly path: string;
  readonly unlocked: Unlocked;
  /** Of what was read or written. */
  readonly version: string | undefined;
}

/** The keys of a vault file that other processes may write too: it follows their changes. */
export class FileRing {
  readonly identity: Hex;
  readonly #path: string;
  readonly #unlocked: Unlocked;
  #version: string | undefined;
  #ring: KeyRing | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  constructor({ path, unlocked, version }: UnlockedFile, contents: VaultContents, now: () => number) {
    this.#path = path;
    this.#unlocked = unlocked;
    this.#version = version;
    this.#ring = new KeyRing(contents, now);
    this.identity = this.#ring.identity;
  }

  /** As they are in memory. Throws vault-closed. */
  held(): KeyRing {
    if (this.#ring === undefined) throw new RelayError('vault-closed');
    return this.#ring;
  }

  /** Overwrites the secrets. Idempotent. */
  close(): void {
    this.#ring?.clear();
    this.#ring = undefined;
    this.#unlocked.key.fill(0);
  }

  /** With what the file holds now; what is in memory where there is no file. */
  async fresh(): Promise<KeyRing> {
    this.held();
    const version = await vaultFileVersion(this.#path);
    if (version === undefined || version === this.#version) return this.held();
    return this.#inTurn(() => this.#load());
  }

  /** With what the file holds now. Throws vault-missing where there is none, and where it can not be read what tells why. */
  async read(): Promise<KeyRing> {
    this.held();
    const version = await vaultFileVersion(this.#path);
    if (version !== undefined && version === this.#version) return this.held();
    return this.#inTurn(() => this.#load());
  }

  /** Writes what `update` makes of what the file holds now, unless that is the same, and gives the keys as they are then. */
  async change(
    update: (contents: VaultContents) => VaultContents,
    replace: typeof replaceVaultFile = replaceVaultFile,
  ): Promise<KeyRing> {
    this.held();
    return this.#inTurn(() =>
      withVaultLock(this.#path, async () => {
        // Always read: two versions of a file may have the same inode, size and time.
        await this.#load();
        const ring = this.held();
        const before = ring.contents;
        const after = update(before);
        if (after === before) return ring;
        // Nothing is awaited since the vault was found open: its key is there.
        const version = await replace(this.#path, encode(this.#unlocked, after));
        this.held().update(after);
        this.#version = version;
        return this.held();
      }),
    );
  }

  async #load(): Promise<KeyRing> {
    // Before the content: if the file is replaced in between, the next look finds it changed.
    const version = await vaultFileVersion(this.#path);
    const file = await readVaultFile(this.#path);
    const ring = this.held();
    const container = decodeContainer(file, this.#path);
    const { sealerKind, parameters } = this.#unlocked;
    if (container.sealerKind !== sealerKind || !equalBytes(container.parameters, parameters))
      throw new RelayError('vault-resealed', { details: { path: this.#path } });
    const contents = unseal(this.#unlocked.key, container, this.#path);
    if (toHex(contents.identity.publicKey) !== this.identity)
      throw vaultCorrupt(this.#path, 'it holds another entity than when it was opened');
    ring.update(contents);
    this.#version = version;
    return ring;
  }

  // A reader that was overtaken must not put back what a change has replaced.
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work);
    this.#turn = result.catch(() => undefined);
    return result;
  }
}

import type { Hex } from '../../../src/codec/index.ts';
import { createMemoryVault, type Vault } from '../../../src/vault/index.ts';
import { replacing } from '../../support/replacing.ts';

const otherChain: Hex = `0x${'11'.repeat(32)}`;

/** Whose inbox it is. At times its vault opens nothing, its key is rotated, and old keys are erased. */
export class Recipient {
  readonly vault: Vault;
  /** False: all that comes is open-failed. */
  isOpening = true;
  readonly #keys = createMemoryVault();

  constructor() {
    const keys = this.#keys;
    const seen = <T extends object>(request: T): T =>
      this.isOpening ? request : { ...request, genesisHash: otherChain };
    this.vault = replacing(keys, {
      open: (request) => keys.open(seen(request)),
      openAll: (request) => keys.openAll(seen(request)),
    });
  }

  /** What is sealed from now on is sealed to a new key; the old one opens still. */
  async rotate(): Promise<void> {
    const { epoch } = await this.#keys.rotate();
    await this.#keys.activate(epoch);
  }

  /** All but the newest. */
  async eraseOldKeys(): Promise<void> {
    await this.#keys.erase({ retiredBefore: Infinity });
  }

  async oldKeys(): Promise<Uint8Array[]> {
    const keys = await this.#keys.ecdhKeys();
    return keys.flatMap(({ state, publicKey }) => (state === 'current' ? [] : [publicKey]));
  }
}

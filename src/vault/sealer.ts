/**
 * Turns something that the owner has (a passphrase, a hardware root) into the 32-byte key that seals a vault file.
 * `parameters` go into the header of the file and come back on opening.
 */
export interface Sealer {
  /** Identifies the kind of sealer in the file: 0 passphrase, 1 guest agent of a TEE (dstack). From 128 on: yours. */
  readonly kind: number;
  /** Parameters for a new file. */
  newParameters(): Uint8Array;
  /** 32 bytes. Throws vault-hostile-parameters for parameters out of bounds, before doing their work. */
  deriveKey(parameters: Uint8Array): Promise<Uint8Array>;
}

export { activateBackend, backend } from './active-backend.ts';
export { agree } from './agreement.ts';
export type { CryptoBackend, SealedPart, SignedMessage } from './backend.ts';
export { backendCipher } from './cipher.ts';
export type { Cipher, CipherKey } from './cipher.ts';
export { deriveCommKey } from './comm-key.ts';
export type { CommKeyInput } from './comm-key.ts';
export { decodeV1, openEnvelope, openEnvelopeWith, sealEnvelope, sealEnvelopeWith } from './envelope-cipher.ts';
export type { OpenInput, SealInput } from './envelope-cipher.ts';
export { openEnvelopesWith } from './open-envelopes.ts';
export {
  checkPublicKey,
  keyPairFromSecretKey,
  keyPairFromSeed,
  sign,
  signWith,
  verify,
  verifyBatch,
} from './key-pair.ts';
export type { KeyPair } from './key-pair.ts';
export { openPhala, openPhalaWith, sealPhala, sealPhalaWith } from './phala-cipher.ts';
export type { PhalaSealInput } from './phala-cipher.ts';
export { canonicalSecretKey } from './secret-key.ts';
export type { SecretKeyLayout } from './secret-key.ts';

import type { CatalogueEntry } from './entry.ts';

export const cryptoErrors = {
  'bad-public-key': {
    message: "The peer's key is not a usable ristretto255 public key: {reason}.",
    remedy: 'Ask the peer to register or publish a valid EcdhKey.',
  },
  'bad-secret-key': {
    message: 'The secret key can not be used: {reason}.',
    remedy: 'Import a 32-byte seed, or a 64-byte sr25519 secret key in one of the two layouts of protocol.md §1.',
    usage: true,
  },
  'bad-shared-secret': {
    message: 'The agreement gave an all-zero secret.',
    remedy: 'Do not talk to this key; it is malformed or hostile.',
  },
  'derivation-invalid': {
    message: 'Key derivation reached a value that BIP32 calls invalid.',
    remedy: 'Rotate the EcdhKey; with real keys this does not happen.',
  },
  'open-failed': {
    message: 'The message does not open: it was altered, is for another chain, or is encrypted to another key.',
    remedy: 'Ask the sender to send again to the current key.',
  },
  'bad-signature': {
    message: 'The signature of {what} is not valid.',
    remedy: 'Drop it; whoever sent it does not hold the key that it names.',
  },
  'verifier-busy': {
    message: 'There are {limit} signatures waiting to be verified already.',
    remedy: 'Send less at once, or try again in a moment.',
  },
  'verifier-closed': {
    message: 'The verifier is closed.',
    remedy: 'Make another one with createVerifier.',
  },
  'self-test-failed': {
    message: 'The crypto backend {backend} fails its self-test: {part}.',
    remedy: 'Reinstall the dependencies; do not use this installation for secrets.',
  },
  'wasm-refused': {
    message: 'The cryptography can not be loaded: WebAssembly refuses it: {reason}.',
    remedy: "Allow 'wasm-unsafe-eval' in the script-src of the page's Content-Security-Policy.",
  },
  'webcrypto-missing': {
    message: 'There is no WebCrypto here (crypto.subtle).',
    remedy: 'Serve the page over https, or from localhost: browsers offer it in secure contexts only.',
  },
  'suite-unsupported': {
    message: 'The suite {suite} can not be used here.',
    remedy: 'Send an envelope of suite v1.',
  },
} as const satisfies Record<string, CatalogueEntry>;

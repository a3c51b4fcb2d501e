export * from './core.ts';
export { ready } from './ready.ts';
export { createVerifier } from './verifier/verifier.ts';
export type { Verifier, VerifierOptions, VerifyRequest } from './verifier/verifier.ts';

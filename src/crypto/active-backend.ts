import { activateHash256, concatBytes } from '../codec/index.ts';
import type { CryptoBackend } from './backend.ts';
import { portableBackend } from './portable-backend.ts';
import { selfTest } from './self-test.ts';

let active = portableBackend;
activateHash256((...parts) => active.blake2b256(concatBytes(...parts)));

/** The backend in use: the portable one until another is activated. */
export function backend(): CryptoBackend {
  return active;
}

/** Makes a backend the one in use if it gives the known answers. Throws self-test-failed. */
export function activateBackend(candidate: CryptoBackend): void {
  selfTest(candidate);
  active = candidate;
}

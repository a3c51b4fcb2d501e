import { activateBackend } from './active-backend.ts';

let loading: Promise<void> | undefined;

/** Loads the fast backend of Node; without it everything works, slower. Idempotent. Throws self-test-failed. */
export function ready(): Promise<void> {
  loading ??= import('./node-backend.ts').then(async ({ loadNodeBackend }) => {
    activateBackend(await loadNodeBackend());
  });
  return loading;
}

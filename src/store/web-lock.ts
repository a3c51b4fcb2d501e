import { asRelayError, RelayError } from '../errors/index.ts';
import { defaultPatienceMs, outOfPatience, withPatience } from './patience.ts';

export interface WebLockOptions {
  /** Of what is locked, within the page's origin. */
  readonly name: string;
  /** ms; Infinity: until it is free. Default 5 000. */
  readonly patienceMs?: number;
  readonly signal?: AbortSignal;
}

export interface WebLock {
  /** Resolves when others may have it. Idempotent. */
  release(): Promise<void>;
}

/**
 * Takes a lock that one page, tab or worker of the origin holds at a time (Web Locks API); the browser frees it when its
 * holder is gone. Throws store-in-use, store-failed where there are no locks, aborted.
 */
export async function takeWebLock(options: WebLockOptions): Promise<WebLock> {
  const { name: path, patienceMs = defaultPatienceMs, signal } = options;
  const locks = globalThis.navigator.locks as LockManager | undefined;
  if (locks === undefined)
    throw new RelayError('store-failed', { details: { path, reason: 'it needs a secure context (https, localhost)' } });
  if (signal?.aborted === true) throw new RelayError('aborted', { cause: signal.reason });
  const name = `khala-relay ${path}`;
  try {
    // A lock that is free is had, however little patience there is.
    const free = await request(locks, name, { ifAvailable: true });
    const lock = free ?? (await withPatience(patienceMs, signal, (ended) => request(locks, name, { signal: ended })));
    if (lock !== undefined) return lock;
  } catch (error) {
    if (isAborted(signal)) throw new RelayError('aborted', { cause: error });
    if (error === outOfPatience) throw new RelayError('store-in-use', { details: { path } });
    throw asRelayError(error, 'store-failed', { path });
  }
  throw new RelayError('store-in-use', { details: { path } });
}

/** undefined where it is not available. Throws the signal's reason. */
function request(locks: LockManager, name: string, options: LockOptions): Promise<WebLock | undefined> {
  return new Promise((resolve, reject) => {
    const released = locks.request(name, options, (lock) => {
      if (lock === null) {
        resolve(undefined);
        return undefined;
      }
      return new Promise<void>((free) => {
        resolve({
          release: () => {
            free();
            return released;
          },
        });
      });
    });
    released.catch(reject);
  });
}

function isAborted(signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true;
}

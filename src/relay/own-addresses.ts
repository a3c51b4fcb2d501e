import { networkInterfaces, type NetworkInterfaceInfo } from 'node:os';
import { ipKey } from './ip-class.ts';

export interface OwnAddressesOptions {
  /** Default the system's. */
  readonly interfaces?: () => NodeJS.Dict<readonly Pick<NetworkInterfaceInfo, 'address'>[]>;
  /** ms, monotonic. Default performance.now. */
  readonly now?: () => number;
}

// An address may come while the relay runs, and the system is not to be asked for each message.
const maxAgeMs = 10_000;

/**
 * Tells addresses of this machine: who dials them from inside comes past what keeps strangers off its services. In whatever form
 * they are written; interfaces are looked at again each 10 s. Where the system never tells them, it knows none.
 */
export function createOwnAddresses(options: OwnAddressesOptions = {}): (address: string) => boolean {
  const { interfaces = networkInterfaces, now = () => performance.now() } = options;
  let own: ReadonlySet<string | undefined> = new Set();
  let readAt = Number.NEGATIVE_INFINITY;
  return (address) => {
    if (now() - readAt >= maxAgeMs) {
      try {
        own = new Set(Object.values(interfaces()).flatMap((of) => (of ?? []).map((one) => ipKey(one.address))));
      } catch {
        // Where processes may not ask for them, as on Android: those that were known before are kept.
      }
      readAt = now();
    }
    const key = ipKey(address);
    return key !== undefined && own.has(key);
  };
}

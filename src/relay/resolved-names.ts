import type { LookupAddress } from 'node:dns';
import { ipKey } from './ip-class.ts';
import { RecentMap } from './recent-map.ts';
import type { ResolveAll } from './resolve-name.ts';

interface Resolved {
  /** None where it could not be resolved. */
  readonly addresses: readonly LookupAddress[];
  /** As of `now`. */
  readonly at: number;
}

const maxNames = 10_000;
// Of one name: an answer of DNS holds thousands.
const maxAddresses = 16;
// What a name stands for is known for so long; a turn that begins then dials what was known, and takes less than the rest.
const knownMs = 60_000;
const dialledMs = 120_000;
const v6NetworkDigits = 16;
const unresolved = 'unresolved';

/**
 * What names of endpoints were resolved to lately. Who keeps strangers' endpoints apart does it by address, and dials the same: a
 * name costs nothing, and its owner says what it resolves to.
 */
export class ResolvedNames {
  readonly #ask: ResolveAll;
  readonly #now: () => number;
  readonly #names = new RecentMap<string, Resolved>(maxNames);

  /** `now`: ms, monotonic. */
  constructor(ask: ResolveAll, now: () => number = () => performance.now()) {
    this.#ask = ask;
    this.#now = now;
  }

  /** For who dials. */
  readonly resolve: ResolveAll = (hostname, callback) => {
    const known = this.#names.get(hostname);
    if (known !== undefined && known.addresses.length > 0 && this.#now() - known.at < dialledMs) {
      callback(null, known.addresses);
      return;
    }
    this.#ask(hostname, (error, addresses = []) => {
      const kept = addresses.slice(0, maxAddresses);
      this.#names.set(hostname, { addresses: kept, at: this.#now() });
      callback(error, kept);
    });
  };

  /**
   * Of the network that an endpoint leads to: an IPv4 address, or the /64 of an IPv6 one; one for all names that do not resolve.
   * undefined: its name is to be asked for first.
   */
  networkOf(endpoint: string): string | undefined {
    const host = hostOf(endpoint);
    if (host === undefined) return unresolved;
    const literal = networkOfAddress(host);
    if (literal !== undefined) return literal;
    const known = this.#names.get(host);
    if (known === undefined || this.#now() - known.at >= knownMs) return undefined;
    const [first] = known.addresses;
    return first === undefined ? unresolved : networkOfAddress(first.address);
  }

  /** Asks for the name of an endpoint. Resolves when {@link networkOf} knows it. */
  async learn(endpoint: string): Promise<void> {
    const host = hostOf(endpoint);
    if (host === undefined || this.networkOf(endpoint) !== undefined) return;
    await new Promise<void>((resolve) => {
      this.#ask(host, (_, addresses = []) => {
        this.#names.set(host, { addresses: addresses.slice(0, maxAddresses), at: this.#now() });
        resolve();
      });
    });
  }
}

function hostOf(endpoint: string): string | undefined {
  return URL.canParse(endpoint) ? new URL(endpoint).hostname.replace(/^\[(.*)\]$/, '$1') : undefined;
}

function networkOfAddress(address: string): string | undefined {
  const key = ipKey(address);
  return key === undefined || key.includes('.') ? key : key.slice(0, v6NetworkDigits);
}

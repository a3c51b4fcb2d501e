import type { LookupAddress } from 'node:dns';
import { ipKey } from './ip-class.ts';
import { RecentMap } from './recent-map.ts';
import type { ResolveAll } from './resolve-name.ts';

interface Resolved {
  /** None where it could not be resolved. */
  readonly addresses: readonly LookupAddress[];
  /** Of those that are dialled. */
  readonly network: string;
  readonly error: Error | null;
  /** As of `now`. */
  readonly at: number;
}

const maxNames = 10_000;
// Of one name: an answer of DNS holds thousands.
const maxAddresses = 16;
// What a name stands for is known for so long; a turn that begins then dials what was known, and takes less than the rest.
const knownMs = 60_000;
const unresolvedMs = 10_000;
const dialledMs = 120_000;
const v6NetworkDigits = 16;
const unresolved = 'unresolved';

/**
 * What names of endpoints were resolved to lately. Who keeps strangers' endpoints apart does it by address, and dials the same: a
 * name costs nothing, and its owner says what it resolves to. Of a name with addresses in several networks one is dialled, and
 * another once nothing came of that.
 */
export class ResolvedNames {
  readonly #ask: ResolveAll;
  readonly #now: () => number;
  readonly #names = new RecentMap<string, Resolved>(maxNames);
  /** Names that are asked for now: once each. */
  readonly #asking = new Map<string, Promise<Resolved>>();

  /** `now`: ms, monotonic. */
  constructor(ask: ResolveAll, now: () => number = () => performance.now()) {
    this.#ask = ask;
    this.#now = now;
  }

  /** For who dials: addresses in one network. */
  readonly resolve: ResolveAll = (hostname, callback) => {
    const answer = ({ addresses, network, error }: Resolved): void => {
      callback(
        error,
        addresses.filter(({ address }) => networkOfAddress(address) === network),
      );
    };
    const known = this.#names.get(hostname);
    if (known !== undefined && this.#now() - known.at < dialledMs) answer(known);
    else void this.#asked(hostname).then(answer);
  };

  /**
   * Of the network that an endpoint leads to: an IPv4 address, or the /64 of an IPv6 one; one for all names that do not resolve.
   * undefined: its name is to be asked for first.
   */
  networkOf(endpoint: string): string | undefined {
    const host = hostOf(endpoint);
    const known = host === undefined ? undefined : this.#names.get(host);
    if (known === undefined) return this.lastNetworkOf(endpoint);
    const isOld = this.#now() - known.at >= (known.addresses.length > 0 ? knownMs : unresolvedMs);
    return isOld ? undefined : known.network;
  }

  /** As {@link networkOf} knew when it knew last. undefined: it never did, or long ago. */
  lastNetworkOf(endpoint: string): string | undefined {
    const host = hostOf(endpoint);
    return host === undefined ? unresolved : (networkOfAddress(host) ?? this.#names.get(host)?.network);
  }

  /** Asks for the name of an endpoint. Resolves when {@link networkOf} knows it. */
  async learn(endpoint: string): Promise<void> {
    const host = hostOf(endpoint);
    if (host !== undefined && this.networkOf(endpoint) === undefined) await this.#asked(host);
  }

  /** Nothing came of an endpoint in that network: its name stands for the next of those that it leads to. */
  passOver(endpoint: string, network: string | undefined): void {
    const host = hostOf(endpoint);
    const known = host === undefined ? undefined : this.#names.get(host);
    if (host === undefined || known === undefined || known.network !== network) return;
    const networks = [...new Set(known.addresses.map(({ address }) => networkOfAddress(address)))];
    const next = networks[(networks.indexOf(network) + 1) % networks.length];
    if (next !== undefined) this.#names.set(host, { ...known, network: next });
  }

  #asked(host: string): Promise<Resolved> {
    const asking = this.#asking.get(host) ?? this.#askFor(host);
    this.#asking.set(host, asking);
    return asking;
  }

  async #askFor(host: string): Promise<Resolved> {
    const [error, found] = await new Promise<[Error | null, readonly LookupAddress[]]>((resolve) => {
      this.#ask(host, (failed, addresses = []) => {
        resolve([failed, addresses.slice(0, maxAddresses)]);
      });
    });
    const before = this.#names.get(host)?.network;
    const networks = found.map(({ address }) => networkOfAddress(address));
    // As before where it may be: what waits for a turn there keeps its place.
    const network = (networks.includes(before) ? before : networks[0]) ?? unresolved;
    const resolved = { addresses: found, network, error, at: this.#now() };
    this.#names.set(host, resolved);
    this.#asking.delete(host);
    return resolved;
  }
}

function hostOf(endpoint: string): string | undefined {
  return URL.canParse(endpoint) ? new URL(endpoint).hostname.replace(/^\[(.*)\]$/, '$1') : undefined;
}

function networkOfAddress(address: string): string | undefined {
  const key = ipKey(address);
  return key === undefined || key.includes('.') ? key : key.slice(0, v6NetworkDigits);
}

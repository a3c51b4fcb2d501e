import type { Hex } from '../codec/index.ts';
import { RelayError } from '../errors/index.ts';
import type { RelayDirectory } from './relay-options.ts';
import { isRelayUrl, relayKey } from './relay-url.ts';

export type Route =
  /** The relay's own entity. */
  | { readonly kind: 'local' }
  /** Kept here until the recipient comes. */
  | { readonly kind: 'mailbox' }
  /** Another relay's: its endpoints as on chain. */
  | { readonly kind: 'forward'; readonly endpoints: readonly string[] };

export interface RouterOptions {
  readonly local?: Hex | undefined;
  readonly recipients: ReadonlySet<Hex>;
  readonly workerState?: RelayDirectory | undefined;
  /** Base URLs of this relay; asked once it listens. */
  readonly ownUrls: () => readonly string[];
  readonly canForward: boolean;
}

/** Where a message for `to` goes from here. Throws recipient-not-served, recipient-unreachable. */
export type Router = (to: Hex) => Route;

export function createRouter({ local, recipients, workerState, ownUrls, canForward }: RouterOptions): Router {
  let ownKeys: ReadonlySet<string> | undefined;
  // An endpoint list is replaced as a whole when it changes, so its answer holds as long as it is there.
  const namesUs = new WeakMap<readonly string[], boolean>();

  const isOurs = (endpoints: readonly string[]): boolean => {
    const known = namesUs.get(endpoints);
    if (known !== undefined) return known;
    const own = ownKeys ?? new Set(ownUrls().map(relayKey));
    // A socket is open a moment before its URL is known: what is no one's then may be ours.
    if (own.size === 0) return false;
    ownKeys = own;
    const found = endpoints.some((endpoint) => isRelayUrl(endpoint) && own.has(relayKey(endpoint)));
    namesUs.set(endpoints, found);
    return found;
  };

  return (to) => {
    if (to === local) return { kind: 'local' };
    if (recipients.has(to)) return { kind: 'mailbox' };
    const worker = workerState?.get(to);
    if (worker !== undefined && isOurs(worker.endpoints)) return { kind: 'mailbox' };
    if (worker === undefined || !canForward)
      throw new RelayError('recipient-not-served', { details: { recipient: to } });
    if (worker.endpoints.length === 0)
      throw new RelayError('recipient-unreachable', { details: { recipient: to, reason: 'it has none on chain' } });
    return { kind: 'forward', endpoints: worker.endpoints };
  };
}

import type { Hex } from '../codec/index.ts';
import { newestFrames } from './frames.ts';
import { originOfProof } from './proof-origin.ts';
import { originOf, relayKey, routeUrl } from './relay-url.ts';

/** How a relay is reached. */
export interface RelayWay {
  /** Its base URL. */
  readonly url: string;
  /** Another relay that connects to it for us, since `url` is an endpoint of this recipient. Default: straight. */
  readonly by?: { readonly relay: string; readonly recipient: Hex };
}

/** What to dial. */
export interface Dial {
  /** ws(s) URL. */
  readonly url: string;
  /** With its `?`. */
  readonly query: string;
  /** Of the relay at the end, what a proof of identity there is signed for (protocol.md §11); through another: no login. */
  readonly origin: string;
  /** Equal for two that may share a connection. */
  readonly key: string;
}

export function dialOf({ url, by }: RelayWay): Dial {
  const straight = routeUrl(url, 'ws', '/v1/ws');
  const [key, origin] = [relayKey(url), originOf(straight)];
  if (by === undefined) return { url: straight, query: `?frames=${newestFrames}`, origin, key };
  const query = new URLSearchParams({ recipient: by.recipient, endpoint: url });
  return {
    ...{ origin: originOfProof(origin), query: `?${query.toString()}` },
    url: routeUrl(by.relay, 'ws', '/v1/tunnel'),
    key: `${key} by ${relayKey(by.relay)}`,
  };
}

import { RelayError } from '../errors/index.ts';
import { isRelayUrl, originOf, routeUrl } from './relay-url.ts';

/** Throws bad-setting for what can't be the URL of a relay. */
export function checkPublicUrls(urls: readonly string[]): void {
  const wrong = urls.find((url) => !isRelayUrl(url));
  if (wrong === undefined) return;
  const reason = `"${wrong.slice(0, 80)}" is no http, https, ws or wss URL`;
  throw new RelayError('bad-setting', { details: { name: 'publicUrls', reason } });
}

/** Under which base URLs a relay is known: what it is told, else where it listens. */
export function ownUrlsOf(publicUrls: readonly string[], listenUrl: string): readonly string[] {
  if (publicUrls.length > 0) return publicUrls;
  const { protocol, port, hostname } = new URL(listenUrl);
  if (!anyLocal.test(hostname)) return [listenUrl];
  return ['127.0.0.1', 'localhost', '[::1]'].map((host) => `${protocol}//${host}${port === '' ? '' : `:${port}`}`);
}

// Loopback, and the unspecified addresses, which are reached there too.
const anyLocal = /^(127\.\d+\.\d+\.\d+|0\.0\.0\.0|\[::1?\])$/;

/** Origins that a recipient may have dialled, by http or by ws. */
export function originsOf(urls: readonly string[]): ReadonlySet<string> {
  return new Set(urls.flatMap((url) => [originOf(routeUrl(url, 'http', '')), originOf(routeUrl(url, 'ws', ''))]));
}

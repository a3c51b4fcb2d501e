const defaultPorts: Readonly<Record<string, string>> = { 'http:': '80', 'ws:': '80', 'https:': '443', 'wss:': '443' };

/** `scheme://host:port` as dialled, lower case, port written out (protocol.md §11). */
export function originOf(url: string | URL): string {
  const { protocol, hostname, port } = new URL(url);
  return `${protocol}//${hostname.toLowerCase()}:${port === '' ? defaultPorts[protocol] : port}`;
}

/** The address of a relay's route under its base URL, for http or for ws. */
export function routeUrl(base: string | URL, kind: 'http' | 'ws', route: string): string {
  const url = new URL(base);
  const secure = url.protocol === 'https:' || url.protocol === 'wss:';
  const path = url.pathname.replace(/\/+$/, '');
  return `${kind}${secure ? 's' : ''}://${url.host}${path}${route}`;
}

/** Whether an endpoint may be one of a relay at all. */
export function isRelayUrl(endpoint: string): boolean {
  return /^(https?|wss?):\/\//i.test(endpoint) && URL.canParse(endpoint);
}

/** Equal for two base URLs of one relay, whether written for http or for ws. */
export function relayKey(base: string | URL): string {
  const ws = routeUrl(base, 'ws', '');
  return originOf(ws) + new URL(ws).pathname.replace(/\/+$/, '');
}

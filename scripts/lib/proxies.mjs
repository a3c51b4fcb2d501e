import { inRoot } from './root.mjs';

/** The proxies of docs/relay.md, and where Debian's package of that name has them. */
export const proxies = [
  { name: 'nginx', setting: 'KHALA_RELAY_NGINX', version: '-v', path: 'usr/sbin/nginx' },
  { name: 'caddy', setting: 'KHALA_RELAY_CADDY', version: 'version', path: 'usr/bin/caddy' },
];

/** Where `npm run proxies` unpacks the package. */
export function unpackedFolder(name) {
  return inRoot('node_modules', '.cache', 'proxies', name);
}

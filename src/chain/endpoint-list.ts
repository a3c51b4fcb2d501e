import { RelayError } from '../errors/index.ts';

const defaultQuorum = 2;

function check(endpoints: readonly string[]): void {
  const bad = endpoints.length === 0 ? '' : endpoints.find((url) => !/^wss?:\/\//i.test(url) || !URL.canParse(url));
  if (bad !== undefined) throw new RelayError('bad-endpoint', { details: { url: bad } });
}

/** Each once, as it was written first: the same node is not to be counted twice for another way of writing its URL. Throws bad-endpoint. */
export function distinctEndpoints(urls: readonly string[]): string[] {
  check(urls);
  const byHref = new Map<string, string>();
  for (const url of urls) {
    const { href } = new URL(url);
    if (!byHref.has(href)) byHref.set(href, url);
  }
  return [...byHref.values()];
}

/** Of so many endpoints how many must agree. Throws bad-quorum. */
export function quorumOf(wanted: number | undefined, endpoints: number): number {
  const quorum = wanted ?? Math.min(defaultQuorum, endpoints);
  if (!Number.isInteger(quorum) || quorum < 1 || quorum > endpoints)
    throw new RelayError('bad-quorum', { details: { quorum, endpoints } });
  return quorum;
}

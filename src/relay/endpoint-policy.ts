import { isRelayError, RelayError } from '../errors/index.ts';
import { ipClass, type IpClass } from './ip-class.ts';

export interface EndpointPolicy {
  /** Follow loopback, private and link-local addresses too. Default false. */
  readonly allowPrivate?: boolean;
  /** Addresses that are not followed where private ones are not: those of this machine. Default: none. */
  readonly isOwnAddress?: (address: string) => boolean;
}

const schemes = new Set(['http:', 'https:', 'ws:', 'wss:']);
// Names that mean this machine or this network wherever they resolve (RFC 6761, 6762, 9476; ICANN's .internal).
const privateNames = /(^|\.)(localhost|local|internal|home\.arpa|lan|intranet|corp|home)$/;
const maxLength = 2048;
const mostNamed = 3;

/**
 * Endpoints on chain are written by whoever owns the worker. Gives the parsed URL, or throws endpoint-refused. The host
 * may still be a name that resolves to a refused address: whoever dials checks each address with {@link checkAddress}.
 */
export function checkEndpoint(endpoint: string, policy: EndpointPolicy = {}): URL {
  const refuse = (reason: string): RelayError => endpointRefused(endpoint, reason);
  if (endpoint.length > maxLength) throw refuse(`it is longer than ${maxLength} characters`);
  const url = parse(endpoint);
  if (url === undefined) throw refuse('it is not a URL');
  if (!schemes.has(url.protocol)) throw refuse('its scheme is none of http, https, ws, wss');
  if (url.username !== '' || url.password !== '') throw refuse('it carries credentials');
  if (url.search !== '' || url.hash !== '') throw refuse('it carries a query or a fragment');
  if (url.port === '0') throw refuse('its port is 0');
  checkHost(url.hostname, policy, refuse);
  return url;
}

/** Whether {@link checkEndpoint} lets it pass. */
export function mayFollow(endpoint: string, policy: EndpointPolicy = {}): boolean {
  return whyNotFollowed(endpoint, policy) === undefined;
}

/** Why {@link checkEndpoint} refuses it, as the end of a sentence; undefined where it does not. */
export function whyNotFollowed(endpoint: string, policy: EndpointPolicy = {}): string | undefined {
  try {
    checkEndpoint(endpoint, policy);
    return undefined;
  } catch (error) {
    if (isRelayError(error, 'endpoint-refused')) return String(error.details?.['reason']);
    throw error;
  }
}

/** For a recipient none of whose endpoints on chain may be followed: why, of the first of them. */
export function noneFollowed(endpoints: readonly string[], policy: EndpointPolicy): string {
  const reasons = endpoints
    .slice(0, mostNamed)
    .map((each) => `"${shown(each)}": ${whyNotFollowed(each, policy) ?? ''}`);
  const others = endpoints.length - reasons.length;
  return [...reasons, ...(others > 0 ? [`${others} others neither`] : [])].join('; ');
}

/** Throws endpoint-refused for an IP address that must not be dialled. */
export function checkAddress(address: string, endpoint: string, policy: EndpointPolicy = {}): void {
  checkIp(address, policy, (reason) => endpointRefused(endpoint, reason));
}

function checkIp(address: string, policy: EndpointPolicy, refuse: (reason: string) => RelayError): void {
  judge(ipClass(address) ?? 'never', policy, refuse);
  if (policy.allowPrivate !== true && policy.isOwnAddress?.(address) === true)
    throw refuse('its address is one of this machine');
}

function checkHost(hostname: string, policy: EndpointPolicy, refuse: (reason: string) => RelayError): void {
  const host = hostname.replace(/^\[(.*)\]$/, '$1').replace(/\.+$/, '');
  if (host === '') throw refuse('it has no host');
  if (ipClass(host) !== undefined) checkIp(host, policy, refuse);
  else if (privateNames.test(host)) judge('private', policy, refuse);
}

function judge(found: IpClass, { allowPrivate = false }: EndpointPolicy, refuse: (reason: string) => RelayError): void {
  if (found === 'never') throw refuse('its address is reserved, multicast or a metadata service');
  if (found === 'private' && !allowPrivate) throw refuse('its address is loopback, private or link-local');
}

function parse(endpoint: string): URL | undefined {
  // WHATWG parsing turns decimal, octal and hex hosts into dotted form; tabs and line breaks it would drop in silence.
  if (/[\s\\\p{Cc}]/u.test(endpoint)) return undefined;
  return URL.canParse(endpoint) ? new URL(endpoint) : undefined;
}

function endpointRefused(endpoint: string, reason: string): RelayError {
  return new RelayError('endpoint-refused', { details: { endpoint: shown(endpoint), reason } });
}

/** Shortened: the text comes from a stranger and goes into logs. */
function shown(endpoint: string): string {
  return endpoint.slice(0, 200);
}

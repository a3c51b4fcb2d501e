/** public: the open internet. private: only where it is meant. never: no relay lives there, and some that do must not be asked. */
export type IpClass = 'public' | 'private' | 'never';

type Range = readonly [address: string, prefixBits: number, ipClass: IpClass | 'embedded'];

// IANA special-purpose registries (RFC 6890 and its updates), and where clouds keep the credentials of a machine.
const v4Ranges: readonly Range[] = [
  ['169.254.169.254', 32, 'never'],
  ['169.254.170.2', 32, 'never'],
  ['169.254.170.23', 32, 'never'],
  ['100.100.100.200', 32, 'never'],
  ['168.63.129.16', 32, 'never'],
  ['0.0.0.0', 8, 'never'],
  ['10.0.0.0', 8, 'private'],
  ['100.64.0.0', 10, 'private'],
  ['127.0.0.0', 8, 'private'],
  ['169.254.0.0', 16, 'private'],
  ['172.16.0.0', 12, 'private'],
  ['192.0.0.0', 24, 'never'],
  ['192.0.2.0', 24, 'never'],
  ['192.88.99.0', 24, 'never'],
  ['192.168.0.0', 16, 'private'],
  ['198.18.0.0', 15, 'private'],
  ['198.51.100.0', 24, 'never'],
  ['203.0.113.0', 24, 'never'],
  ['224.0.0.0', 3, 'never'],
];

// embedded: the class of the IPv4 address in the 32 bits after the prefix, for what a gateway would turn into it.
const v6Ranges: readonly Range[] = [
  ['fd00:ec2::254', 128, 'never'],
  ['fd00:ec2::23', 128, 'never'],
  ['fd20:ce::254', 128, 'never'],
  ['::1', 128, 'private'],
  ['::ffff:0:0', 96, 'embedded'],
  ['::ffff:0:0:0', 96, 'embedded'],
  ['64:ff9b::', 96, 'embedded'],
  ['64:ff9b:1::', 48, 'private'],
  ['2002::', 16, 'embedded'],
  ['2001::', 23, 'never'],
  ['2001:db8::', 32, 'never'],
  ['3fff::', 20, 'never'],
  ['fc00::', 7, 'private'],
  ['fe80::', 10, 'private'],
  ['fec0::', 10, 'private'],
  ['2000::', 3, 'public'],
  // Nothing else is routed.
  ['::', 0, 'never'],
];

/** undefined where `text` is not an IP address in its usual form (IPv6 without brackets, a zone is ignored). */
export function ipClass(text: string): IpClass | undefined {
  const v4 = parseV4(text);
  if (v4 !== undefined) return classOf(v4, v4Ranges, parseV4) ?? 'public';
  const v6 = parseV6(text);
  return v6 === undefined ? undefined : classOf(v6, v6Ranges, parseV6);
}

/** One text for all forms of one address, also where IPv6 carries an IPv4 address; undefined as of {@link ipClass}. */
export function ipKey(text: string): string | undefined {
  const v4 = parseV4(text);
  if (v4 !== undefined) return v4.join('.');
  const v6 = parseV6(text);
  if (v6 === undefined) return undefined;
  const [, prefixBits = 0, found] = rangeOf(v6, v6Ranges, parseV6) ?? [];
  return found === 'embedded' ? carried(v6, prefixBits) : v6.map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

function classOf(
  bytes: readonly number[],
  ranges: readonly Range[],
  parse: (text: string) => number[] | undefined,
): IpClass | undefined {
  const [, prefixBits = 0, found] = rangeOf(bytes, ranges, parse) ?? [];
  return found === 'embedded' ? ipClass(carried(bytes, prefixBits)) : found;
}

function rangeOf(
  bytes: readonly number[],
  ranges: readonly Range[],
  parse: (text: string) => number[] | undefined,
): Range | undefined {
  return ranges.find(([address, prefixBits]) => startsWith(bytes, parse(address) ?? [], prefixBits));
}

/** The IPv4 address after the prefix. */
function carried(bytes: readonly number[], prefixBits: number): string {
  return bytes.slice(prefixBits / 8, prefixBits / 8 + 4).join('.');
}

function startsWith(bytes: readonly number[], prefix: readonly number[], bits: number): boolean {
  for (let at = 0; at < bits; at += 8) {
    const mask = bits - at >= 8 ? 0xff : (0xff << (8 - (bits - at))) & 0xff;
    if ((((bytes[at / 8] ?? 0) ^ (prefix[at / 8] ?? 0)) & mask) !== 0) return false;
  }
  return true;
}

function parseV4(text: string): number[] | undefined {
  if (!/^\d{1,3}(\.\d{1,3}){3}$/.test(text)) return undefined;
  const bytes = text.split('.').map(Number);
  return bytes.every((byte) => byte < 256) ? bytes : undefined;
}

function parseV6(text: string): number[] | undefined {
  const [address = ''] = text.split('%');
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(address);
  const tail = dotted === null ? [] : parseV4(dotted[2] ?? '');
  if (tail === undefined) return undefined;
  const groups = dotted === null ? address : (dotted[1] ?? '').replace(/([^:]):$/, '$1');
  return expand(groups, tail);
}

function expand(groups: string, tail: readonly number[]): number[] | undefined {
  const halves = groups.split('::');
  if (!groups.includes(':') || halves.length > 2) return undefined;
  const [head, rest] = halves.map((half) => (half === '' ? [] : half.split(':')));
  const all = [...(head ?? []), ...(rest ?? [])];
  if (!all.every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return undefined;
  const missing = 16 - tail.length - 2 * all.length;
  if (rest === undefined ? missing !== 0 : missing < 2) return undefined;
  return [...(head ?? []).flatMap(pair), ...new Array<number>(missing).fill(0), ...(rest ?? []).flatMap(pair), ...tail];
}

function pair(group: string): number[] {
  const value = Number.parseInt(group, 16);
  return [value >> 8, value & 0xff];
}

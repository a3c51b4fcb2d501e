import { lookup as systemLookup, type LookupAddress } from 'node:dns';
import { Resolver } from 'node:dns/promises';
import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';

export type ResolveAll = (
  hostname: string,
  /** Addresses come without an error alone. */
  callback: (error: Error | null, addresses?: readonly LookupAddress[]) => void,
) => void;

export interface NameResolverOptions {
  /** DNS servers, `IP` or `IP:port`. Default the system's. */
  readonly servers?: readonly string[];
  /** For one name, ms. Default 5 000. */
  readonly timeoutMs?: number;
  /** Default the system's. */
  readonly hostsFile?: string;
  /** Whether the system is asked for names that no DNS server knows: of mDNS, or in a search domain. Default false. */
  readonly askSystem?: boolean;
}

type Defaulted = NameResolverOptions & Required<Pick<NameResolverOptions, 'timeoutMs' | 'hostsFile'>>;

const systemHosts = process.platform === 'win32' ? String.raw`C:\Windows\System32\drivers\etc\hosts` : '/etc/hosts';
const defaults = { timeoutMs: 5_000, hostsFile: systemHosts };
const tries = 2;
// For the other family, once one has answered (RFC 8305 §3).
const resolutionDelayMs = 50;
const loopback: readonly LookupAddress[] = [
  { address: '127.0.0.1', family: 4 },
  { address: '::1', family: 6 },
];
const isUnknown: ReadonlySet<unknown> = new Set(['ENOTFOUND', 'ENODATA']);

/**
 * Resolves names by the hosts file and DNS. Not by getaddrinfo, which runs in two threads of the process and can't be
 * ended: two names of strangers whose servers are silent would hold up all others.
 */
export function createNameResolver(options: NameResolverOptions = {}): ResolveAll {
  const defaulted = { ...defaults, ...options };
  return (hostname, callback) => {
    resolveName(hostname.toLowerCase().replace(/\.$/, ''), defaulted).then(
      (addresses) => {
        callback(null, addresses);
      },
      (error: unknown) => {
        callback(error as Error);
      },
    );
  };
}

async function resolveName(name: string, options: Defaulted): Promise<readonly LookupAddress[]> {
  // RFC 6761 §6.3: nobody is asked.
  if (/(^|\.)localhost$/.test(name)) return loopback;
  const listed = await inHosts(name, options.hostsFile);
  if (listed.length > 0) return listed;
  try {
    return await askServers(name, options);
  } catch (error) {
    if (options.askSystem !== true || !isUnknown.has((error as NodeJS.ErrnoException).code)) throw error;
    return askSystem(name);
  }
}

async function inHosts(name: string, file: string): Promise<readonly LookupAddress[]> {
  const text = await readFile(file, 'utf8').catch(() => '');
  return text.split('\n').flatMap((line) => {
    const [address = '', ...names] = line.replace(/#.*/, '').trim().split(/\s+/);
    const family = isIP(address);
    return family !== 0 && names.some((listed) => listed.toLowerCase() === name) ? [{ address, family }] : [];
  });
}

async function askServers(name: string, { servers, timeoutMs }: Defaulted): Promise<readonly LookupAddress[]> {
  // One for each name: to cancel ends all that one asks.
  const resolver = new Resolver({ timeout: Math.ceil(timeoutMs / tries), tries });
  if (servers !== undefined) resolver.setServers(servers);
  const cancelAfter = (ms: number) =>
    setTimeout(() => {
      resolver.cancel();
    }, ms);
  let timer = cancelAfter(timeoutMs);
  const of = async (family: number, asked: Promise<string[]>): Promise<LookupAddress[]> => {
    const addresses = await asked;
    clearTimeout(timer);
    timer = cancelAfter(resolutionDelayMs);
    return addresses.map((address) => ({ address, family }));
  };
  const answers = await Promise.allSettled([of(4, resolver.resolve4(name)), of(6, resolver.resolve6(name))]);
  clearTimeout(timer);
  const addresses = answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
  const [first] = answers;
  if (addresses.length === 0 && first.status === 'rejected') throw first.reason;
  return addresses;
}

function askSystem(name: string): Promise<readonly LookupAddress[]> {
  return new Promise((resolve, reject) => {
    systemLookup(name, { all: true, verbatim: true }, (error, addresses) => {
      if (error === null) resolve(addresses);
      else reject(error);
    });
  });
}

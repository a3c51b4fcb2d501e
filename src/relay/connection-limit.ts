import { BlockList, isIP, type Server, type Socket } from 'node:net';
import { addressKey, type TokenBuckets } from './token-buckets.ts';

export interface ConnectionLimit {
  /** Most TCP connections of one address at once. */
  readonly most: number;
  /** How many it may open, by its key. */
  readonly opened: TokenBuckets;
  /** Proxies, which speak for many addresses: addresses or CIDR ranges. */
  readonly proxies: readonly string[];
  readonly refused: () => void;
}

/** Counts connections from the moment that they are made, whatever comes over them; ends those over the limits at once. */
export function limitConnections(server: Server, { most, opened, proxies, refused }: ConnectionLimit): void {
  const open = new Map<string, number>();
  const exempt = listOf(proxies);
  server.on('connection', (socket: Socket) => {
    const address = socket.remoteAddress?.replace(/^::ffff:(?=\d+\.)/, '');
    if (address === undefined || exempt.check(address, familyOf(address))) return;
    const key = addressKey(address);
    const count = open.get(key) ?? 0;
    if (count >= most || opened.tryTake(key) > 0) {
      refused();
      socket.destroy();
      return;
    }
    open.set(key, count + 1);
    socket.once('close', () => {
      const left = (open.get(key) ?? 1) - 1;
      if (left === 0) open.delete(key);
      else open.set(key, left);
    });
  });
}

function listOf(proxies: readonly string[]): BlockList {
  const list = new BlockList();
  for (const proxy of proxies) {
    const [address = '', bits] = proxy.split('/');
    if (bits === undefined) list.addAddress(address, familyOf(address));
    else list.addSubnet(address, Number(bits), familyOf(address));
  }
  return list;
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIP(address) === 6 ? 'ipv6' : 'ipv4';
}

import assert from 'node:assert/strict';
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { get } from 'node:http';
import { connect, type Socket } from 'node:net';
import { WebSocket } from 'ws';
import { loginContent } from '../../src/codec/index.ts';
import { signWith } from '../../src/crypto/index.ts';
import { encodeClientFrame, type ClientFrame } from '../../src/relay/client-frames.ts';
import type { RelayLimits } from '../../src/relay/index.ts';
import { decodeRelayFrame, type RelayFrame } from '../../src/relay/relay-frames.ts';
import { bundled } from '../support/bundle.ts';
import { until } from '../support/until.ts';
import type { MemoryOptions, ToRelay } from './memory-child.ts';
import { bob, genesisHash, type Cleanup, type Entity } from './support.ts';

export const mebibyte = 2 ** 20;
/** What a process takes more and less of by itself: heaps that are not collected yet, and the allocator's. */
export const slack = 96 * mebibyte;
export const unlimited = { perSecond: 1e6, burst: 1e6 };

/** Where the relay keeps mail. Default: in LMDB. */
export type StorageOptions = Pick<MemoryOptions, 'nats' | 'quota'>;

/** A relay in a process of its own. */
export interface Started {
  readonly url: string;
  tell(told: ToRelay): Promise<number>;
}

export interface Peer {
  readonly socket: WebSocket;
  /** The first. */
  readonly frames: RelayFrame[];
  /** Questions that were refused. */
  refused: number;
  isClosed: boolean;
  send(frame: ClientFrame): void;
  prove(type: 'login' | 'prove', who: Entity): Promise<void>;
}

/** Relays whose memory is looked at, and who floods them. */
export function memoryStand(cleanup: Cleanup) {
  const start = async (
    limits: Partial<RelayLimits> = {},
    recipients: readonly Entity[] = [bob],
    others?: { readonly entities: readonly Entity[]; readonly endpoint: string },
    storage: StorageOptions = {},
  ): Promise<Started> => {
    const options: MemoryOptions = {
      folder: await cleanup.folder(),
      recipients: recipients.map(({ identity }) => identity),
      ...(others !== undefined && {
        others: { identities: others.entities.map(({ identity }) => identity), endpoint: others.endpoint },
      }),
      ...storage,
      limits: { perAddressConnections: unlimited, perAddressQueries: unlimited, ...limits },
    };
    const child = fork(await bundled(new URL('memory-child.ts', import.meta.url)), [JSON.stringify(options)], {
      execArgv: ['--expose-gc', '--max-old-space-size=192'],
    });
    cleanup.add(child, async () => {
      child.kill('SIGKILL');
      await once(child, 'exit');
    });
    const url = (await answer(child)) as string;
    const tell = async (told: ToRelay): Promise<number> => {
      child.send(told);
      return (await answer(child)) as number;
    };
    return { url, tell };
  };
  const answer = async (child: ChildProcess): Promise<unknown> => {
    const [message] = (await once(child, 'message')) as [{ readonly answer: unknown }];
    return message.answer;
  };
  /** Bytes that the relay took more, at most, while `flood` ran. */
  const grown = async ({ url, tell }: Started, flood: () => Promise<void>): Promise<number> => {
    // What it takes for the first of each kind it keeps.
    await read(url, '/metrics');
    const before = await tell({ type: 'rest' });
    await flood();
    assert.equal(await read(url, '/healthz'), '{"status":"ok"}');
    return (await tell({ type: 'peak' })) - before;
  };
  /** Over a connection of its own: one that is kept may be closed while this process is busy. */
  const read = (url: string, path: string): Promise<string> =>
    new Promise((resolve, reject) => {
      get(url + path, { agent: false }, (got) => {
        let text = '';
        got
          .on('data', (chunk: Buffer) => (text += chunk.toString()))
          .on('end', () => {
            resolve(text);
          });
      }).on('error', reject);
    });
  const metric = async (url: string, name: string): Promise<number> => {
    const text = await read(url, '/metrics');
    const line = text.split('\n').find((each) => each.startsWith(`khala_relay_${name} `));
    return Number(line?.split(' ').at(-1) ?? 0);
  };
  const dial = async (url: string, localAddress: string): Promise<Socket> => {
    const { hostname, port } = new URL(url);
    const socket = connect({ host: hostname, port: Number(port), localAddress });
    cleanup.add(socket, () => socket.destroy());
    socket.on('error', () => undefined);
    await once(socket, 'connect');
    return socket;
  };

  const peer = async (url: string, localAddress: string, path = '/v1/ws'): Promise<Peer> => {
    const origin = url.replace('http', 'ws');
    const socket = new WebSocket(origin + path, { localAddress, perMessageDeflate: false });
    cleanup.add(socket, () => {
      socket.terminate();
    });
    const made: Peer = {
      ...{ socket, frames: [], refused: 0, isClosed: false },
      send: (frame) => {
        socket.send(encodeClientFrame(frame), () => undefined);
      },
      prove: async (type, { identity, keys }) => {
        made.send({ type: 'challenge-me', id: 1 });
        const { serverNonce, expiresAt } = await until(() => made.frames.find((frame) => frame.type === 'challenge'));
        const content = loginContent({ genesisHash, identity, origin, serverNonce, expiresAt });
        made.send({ type, id: 2, identity, origin, signature: signWith(keys, content) });
        await until(() => made.frames.some((frame) => frame.type === 'logged-in'));
      },
    };
    socket.on('message', (data: Buffer) => {
      const frame = decodeRelayFrame(data);
      if (frame.type === 'error' && frame.code === 'relay-busy') made.refused += 1;
      else if (made.frames.length < 10) made.frames.push(frame);
    });
    socket.on('error', () => undefined).on('close', () => (made.isClosed = true));
    await until(() => made.frames.length > 0);
    return made;
  };
  const addresses = Array.from({ length: 8 }, (_, n) => `127.0.0.${n + 2}`);
  const each = <T>(count: number, make: (address: string, n: number) => Promise<T>): Promise<T[]> =>
    Promise.all(Array.from({ length: count }, (_, n) => make(addresses[n % addresses.length] ?? '', n)));

  return { start, grown, read, metric, dial, peer, each };
}

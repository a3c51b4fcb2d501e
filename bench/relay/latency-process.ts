// Senders and recipients in one process, whose clock both ends of a latency are read from.
import { once } from 'node:events';
import { WebSocket } from 'ws';
import { decodeSignedEnvelope } from '../../src/codec/index.ts';
import { openEnvelope, ready } from '../../src/crypto/index.ts';
import { answer } from './child.ts';
import { MailboxReader } from './mailbox-reader.ts';
import { commKey, entity, genesisHash, signedMessage } from './traffic.ts';
import { encodeClientFrame } from '../../src/relay/client-frames.ts';

export interface Target {
  readonly url: string;
  readonly kind: 'relay' | 'bare';
}

export interface LoadOptions {
  readonly messages: number;
  /** Messages a second; undefined: as fast as `inFlight` allows. */
  readonly perSecond?: number;
  readonly inFlight: number;
}

export interface LoadResult {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

const senders = 50;
const recipients = 10;

let sockets: WebSocket[] = [];
let readers: MailboxReader[] = [];
let arrived: (nonce: bigint) => void = () => undefined;
let kind: Target['kind'] = 'relay';
let nonce = BigInt(Date.now()) << 20n;
let prepared: { readonly nonce: bigint; readonly frame: Uint8Array; readonly socket: WebSocket }[] = [];

/** What a recipient does with a message: opens it, and so knows which it is. */
function open(signedEnvelope: Uint8Array): void {
  const { envelope } = decodeSignedEnvelope(signedEnvelope);
  const { header } = openEnvelope({ commKey, genesisHash, envelope });
  arrived(header.nonce);
}

answer({
  connect: async (target: Target): Promise<void> => {
    await ready();
    kind = target.kind;
    for (let i = 0; i < senders; i++) {
      const socket = new WebSocket(kind === 'relay' ? `${target.url.replace('http', 'ws')}/v1/ws` : target.url, {
        perMessageDeflate: false,
      });
      await once(socket, 'open');
      if (kind === 'bare') socket.on('message', open);
      sockets.push(socket);
    }
    for (let i = 0; i < (kind === 'relay' ? recipients : 0); i++) {
      const delivered = ({ signedEnvelope }: { signedEnvelope: Uint8Array }): void => {
        open(signedEnvelope);
      };
      const reader = new MailboxReader({ who: entity('recipient', i), url: target.url, window: 256, delivered });
      await reader.login();
      reader.begin();
      readers.push(reader);
    }
  },
  prepare: (messages: number): void => {
    prepared = Array.from({ length: messages }, (_, i) => {
      const signedEnvelope = signedMessage(entity('sender', i % senders), entity('recipient', i % recipients), ++nonce);
      const frame = kind === 'relay' ? encodeClientFrame({ type: 'send', id: i + 1, signedEnvelope }) : signedEnvelope;
      return { nonce, frame, socket: sockets[i % senders]! };
    });
  },
  run: ({ messages, perSecond, inFlight }: LoadOptions): Promise<LoadResult> => {
    const start = performance.now();
    const sentAt = new Map<bigint, number>();
    const times: number[] = [];
    let sent = 0;
    return new Promise((resolve) => {
      const fill = (): void => {
        const due = perSecond === undefined ? messages : Math.floor(((performance.now() - start) / 1_000) * perSecond);
        for (; sent < Math.min(due, messages) && sent - times.length < inFlight; sent++) {
          const { nonce, frame, socket } = prepared[sent]!;
          sentAt.set(nonce, performance.now());
          socket.send(frame);
        }
      };
      const clock = perSecond === undefined ? undefined : setInterval(fill, 1);
      arrived = (nonce) => {
        const at = sentAt.get(nonce);
        if (at === undefined) return;
        sentAt.delete(nonce);
        times.push(performance.now() - at);
        if (perSecond === undefined) fill();
        if (times.length < messages) return;
        clearInterval(clock);
        resolve(resultOf(times, performance.now() - start));
      };
      fill();
    });
  },
  close: (): void => {
    for (const socket of sockets) socket.terminate();
    for (const reader of readers) reader.close();
    [sockets, readers] = [[], []];
  },
});

function resultOf(times: readonly number[], wallMs: number): LoadResult {
  const sorted = [...times].sort((a, b) => a - b);
  const at = (share: number): number => sorted[Math.floor((sorted.length - 1) * share)] ?? Number.NaN;
  return { perSecond: (times.length / wallMs) * 1_000, p50Ms: at(0.5), p99Ms: at(0.99) };
}

// Many senders with a connection each, in a process of their own. Messages are signed before they are sent.
import { WebSocket } from 'ws';
import { ready } from '../../src/crypto/index.ts';
import { answer } from './child.ts';
import { entity, signedMessage, type Entity } from './traffic.ts';
import { encodeClientFrame } from '../../src/relay/client-frames.ts';
import { decodeRelayFrame } from '../../src/relay/relay-frames.ts';

export interface SendersOptions {
  readonly url: string;
  readonly senders: number;
  readonly recipients: number;
}

export interface RunOptions {
  readonly messages: number;
  /** Messages that one sender sends at once before it waits for their receipts. */
  readonly pipelined: number;
  /** Messages without a receipt, all senders together. */
  readonly inFlight: number;
}

export interface RunResult {
  readonly wallMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

class Sender {
  readonly #who: Entity;
  readonly #socket: WebSocket;
  readonly #waiting = new Map<number, () => void>();
  readonly #frames: Buffer[] = [];
  #ids = 0;

  constructor(who: Entity, url: string) {
    this.#who = who;
    this.#socket = new WebSocket(`${url.replace('http', 'ws')}/v1/ws`, { perMessageDeflate: false });
    this.#socket.on('message', (data: Buffer) => {
      this.#receive(data);
    });
  }

  opened(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#socket.once('open', resolve).once('error', reject);
    });
  }

  prepare(to: Entity, nonce: bigint): void {
    const id = ++this.#ids;
    const signedEnvelope = signedMessage(this.#who, to, nonce);
    this.#frames.push(Buffer.from(encodeClientFrame({ type: 'send', id, signedEnvelope })));
  }

  /** Sends the next prepared messages; tells of each receipt how long it took. */
  send(count: number, done: (ms: number) => void): number {
    const frames = this.#frames.splice(0, count);
    const start = performance.now();
    for (const frame of frames) {
      this.#waiting.set(frame.readUInt32LE(1), () => {
        done(performance.now() - start);
      });
      this.#socket.send(frame);
    }
    return frames.length;
  }

  close(): void {
    this.#socket.terminate();
  }

  #receive(data: Buffer): void {
    const frame = decodeRelayFrame(data);
    if (frame.type === 'hello') return;
    if (frame.type !== 'receipt' || frame.status !== 'stored')
      throw new Error(`no receipt but ${JSON.stringify(frame, (_, value: unknown) => String(value))}`);
    this.#waiting.get(frame.id)?.();
    this.#waiting.delete(frame.id);
  }
}

let senders: Sender[] = [];
let recipients: Entity[] = [];
let nonce = BigInt(Date.now()) << 20n;

answer({
  connect: async (options: SendersOptions): Promise<void> => {
    await ready();
    recipients = Array.from({ length: options.recipients }, (_, i) => entity('recipient', i));
    for (let i = 0; i < options.senders; i++) {
      const sender = new Sender(entity('sender', i), options.url);
      await sender.opened();
      senders.push(sender);
    }
  },
  prepare: (messages: number): void => {
    for (let i = 0; i < messages; i++) {
      const to = recipients[i % recipients.length];
      if (to !== undefined) senders[i % senders.length]?.prepare(to, ++nonce);
    }
  },
  run: ({ messages, pipelined, inFlight }: RunOptions): Promise<RunResult> => {
    const times: number[] = [];
    const start = performance.now();
    let next = 0;
    let sent = 0;
    return new Promise((resolve) => {
      const done = (ms: number): void => {
        times.push(ms);
        if (times.length === messages) resolve(resultOf(times, performance.now() - start));
        else fill();
      };
      const fill = (): void => {
        while (sent < messages && sent - times.length + pipelined <= inFlight)
          sent += senders[next++ % senders.length]?.send(Math.min(pipelined, messages - sent), done) ?? 0;
      };
      fill();
    });
  },
  close: (): void => {
    for (const sender of senders) sender.close();
    senders = [];
  },
});

function resultOf(times: number[], wallMs: number): RunResult {
  const sorted = times.sort((a, b) => a - b);
  const at = (share: number): number => sorted[Math.floor((sorted.length - 1) * share)] ?? Number.NaN;
  return { wallMs, p50Ms: at(0.5), p99Ms: at(0.99) };
}

import { WebSocket } from 'ws';
import { loginContent } from '../../src/codec/index.ts';
import { signWith } from '../../src/crypto/index.ts';
import { genesisHash, type Entity } from './traffic.ts';
import { encodeClientFrame, type ClientFrame } from '../../src/relay/client-frames.ts';
import { decodeRelayFrame, type RelayFrame } from '../../src/relay/relay-frames.ts';

type Delivery = Extract<RelayFrame, { type: 'delivery' }>;

export interface ReaderOptions {
  readonly who: Entity;
  readonly url: string;
  /** Deliveries asked for ahead. */
  readonly window: number;
  readonly delivered: (delivery: Delivery) => void;
  /** Up to here acknowledgements are on the relay's disk. */
  readonly acknowledged?: (upTo: bigint) => void;
}

/** A recipient that reads its mailbox with no more work than the frames ask for; acknowledges half a window at a time. */
export class MailboxReader {
  readonly #options: ReaderOptions;
  readonly #socket: WebSocket;
  #loggedIn: () => void = () => undefined;
  #unacknowledged = 0;
  #newest = 0n;

  constructor(options: ReaderOptions) {
    this.#options = options;
    this.#socket = new WebSocket(`${options.url.replace('http', 'ws')}/v1/ws`, { perMessageDeflate: false });
    this.#socket.on('message', (data: Buffer) => {
      this.#receive(decodeRelayFrame(data));
    });
  }

  /** Resolves when logged in. */
  login(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#loggedIn = resolve;
      this.#socket.once('error', reject);
    });
  }

  /** Asks for the first window. */
  begin(): void {
    this.#send({ type: 'credit', deliveries: this.#options.window });
  }

  /** Acknowledges all that was delivered, less than half a window too. Gives up to where. */
  acknowledgeAll(): bigint {
    this.#send({ type: 'ack', upTo: this.#newest });
    return this.#newest;
  }

  close(): void {
    this.#socket.terminate();
  }

  #receive(frame: RelayFrame): void {
    switch (frame.type) {
      case 'hello':
        this.#send({ type: 'challenge-me', id: 1 });
        return;
      case 'challenge':
        this.#answer(frame);
        return;
      case 'logged-in':
        this.#loggedIn();
        return;
      case 'delivery':
        this.#newest = frame.cursor;
        this.#options.delivered(frame);
        this.#acknowledge();
        return;
      case 'acked':
        this.#options.acknowledged?.(frame.upTo);
        return;
      default:
        throw new Error(`a relay sent ${frame.type}`);
    }
  }

  #answer({ serverNonce, expiresAt }: Extract<RelayFrame, { type: 'challenge' }>): void {
    const { who, url } = this.#options;
    const { identity, keys } = who;
    const origin = url.replace('http', 'ws');
    const content = loginContent({ genesisHash, identity, origin, serverNonce, expiresAt });
    this.#send({ type: 'login', id: 2, identity, origin, signature: signWith(keys, content) });
  }

  #acknowledge(): void {
    this.#unacknowledged += 1;
    if (this.#unacknowledged < this.#options.window / 2) return;
    this.#send({ type: 'ack', upTo: this.#newest });
    this.#send({ type: 'credit', deliveries: this.#unacknowledged });
    this.#unacknowledged = 0;
  }

  #send(frame: ClientFrame): void {
    this.#socket.send(encodeClientFrame(frame));
  }
}

import { WebSocket } from 'ws';
import { decodeEnvelope, decodeSignedEnvelope, loginContent, type Hex } from '../../src/codec/index.ts';
import { signWith } from '../../src/crypto/index.ts';
import { until } from '../support/until.ts';
import { genesisHash, type Cleanup, type Entity } from './support.ts';
import { encodeClientFrame, type ClientFrame } from '../../src/relay/client-frames.ts';
import { decodeRelayFrame, type RelayFrame } from '../../src/relay/relay-frames.ts';

type FrameOf<T extends RelayFrame['type']> = Extract<RelayFrame, { type: T }>;

export interface RawSocketOptions {
  /** Default /v1/ws. */
  readonly path?: string;
  /** Signed for. Default as dialled. */
  readonly origin?: string;
  /** To dial from. */
  readonly localAddress?: string;
}

/** A WebSocket that speaks frames without the client's help. */
export class RawSocket {
  readonly socket: WebSocket;
  readonly origin: string;
  readonly frames: RelayFrame[] = [];
  closeCode: number | undefined;
  closeReason: string | undefined;

  private constructor(socket: WebSocket, origin: string) {
    this.socket = socket;
    this.origin = origin;
    socket.on('message', (data: Buffer) => this.frames.push(decodeRelayFrame(data)));
    socket.on('close', (code, reason) => {
      this.closeCode = code;
      this.closeReason = reason.toString();
    });
    socket.on('error', () => undefined);
  }

  /** `origin`: what it signs for; default: what it dials. */
  static async open(
    url: string,
    cleanup: Cleanup,
    { path = '/v1/ws', origin, localAddress }: RawSocketOptions = {},
  ): Promise<RawSocket> {
    const dialled = url.replace(/^http/, 'ws');
    const socket = new WebSocket(dialled + path, localAddress === undefined ? {} : { localAddress });
    const raw = cleanup.add(new RawSocket(socket, origin ?? dialled), () => {
      socket.terminate();
    });
    await raw.next('hello');
    return raw;
  }

  send(frame: ClientFrame): void {
    this.socket.send(encodeClientFrame(frame));
  }

  all<T extends RelayFrame['type']>(type: T): FrameOf<T>[] {
    return this.frames.filter((frame): frame is FrameOf<T> => frame.type === type);
  }

  /** The `nth` frame of a type, also when it is still to come. */
  next<T extends RelayFrame['type']>(type: T, nth = 0): Promise<FrameOf<T>> {
    return until(() => {
      if (this.closeCode !== undefined && this.all(type).length <= nth)
        throw new Error(`closed with ${this.closeCode} before ${type}: ${JSON.stringify(this.all('error'))}`);
      return this.all(type)[nth];
    });
  }

  closed(): Promise<number> {
    return until(() => this.closeCode);
  }

  async challenge(id = 1): Promise<FrameOf<'challenge'>> {
    const before = this.all('challenge').length;
    this.send({ type: 'challenge-me', id });
    return this.next('challenge', before);
  }

  login(who: Entity, options: LoginVariation = {}): Promise<RelayFrame> {
    return this.#prove('login', who, options);
  }

  prove(who: Entity): Promise<RelayFrame> {
    return this.#prove('prove', who, {});
  }

  async #prove(type: 'login' | 'prove', who: Entity, options: LoginVariation): Promise<RelayFrame> {
    const { serverNonce, expiresAt } = options.challenge ?? (await this.challenge());
    const origin = options.origin ?? this.origin;
    const content = loginContent({
      genesisHash: options.genesisHash ?? genesisHash,
      identity: who.identity,
      origin: options.signedOrigin ?? origin,
      serverNonce,
      expiresAt,
    });
    const before = this.all('logged-in').length + this.all('error').length;
    const signature = signWith((options.signer ?? who).keys, content);
    this.send({ type, id: 2, identity: who.identity, origin, signature });
    return until(() => [...this.all('logged-in'), ...this.all('error')].at(before));
  }

  texts(): string[] {
    return this.all('delivery').map(({ signedEnvelope }) => textOf(signedEnvelope));
  }
}

export interface LoginVariation {
  readonly challenge?: { readonly serverNonce: Uint8Array; readonly expiresAt: bigint };
  readonly origin?: string;
  readonly signedOrigin?: string;
  readonly signer?: Entity;
  readonly genesisHash?: Hex;
}

/** What `message` put where the ciphertext is. */
export function textOf(signedEnvelope: Uint8Array): string {
  const envelope = decodeEnvelope(decodeSignedEnvelope(signedEnvelope).envelope);
  return new TextDecoder().decode(envelope.suite === 'v1' ? envelope.ciphertext : envelope.data);
}

import { ApiPromise, WsProvider } from '@polkadot/api';
import type { ApiOptions, SubmittableExtrinsic } from '@polkadot/api/types';
import { Keyring } from '@polkadot/keyring';
import type { KeyringPair } from '@polkadot/keyring/types';
import { once } from 'node:events';
import { WebSocket } from 'ws';
import type { Hex } from '../../src/codec/index.ts';

type Extrinsic = SubmittableExtrinsic<'promise'>;

/** A client as anyone's, with shorthands for what these tests do. */
export interface TestApi extends AsyncDisposable {
  readonly api: ApiPromise;
  readonly alice: KeyringPair;
  readonly bob: KeyringPair;
  readonly transfer: (amount: bigint) => Extrinsic;
  readonly pushMessage: (topic: string, payload: string) => Extrinsic;
  readonly batch: (calls: readonly Extrinsic[]) => Extrinsic;
  /** Signed hex, with the nonce given. */
  readonly sign: (extrinsic: Extrinsic, nonce: number, signer?: KeyringPair) => Promise<Hex>;
}

export async function connect(ws: string): Promise<TestApi> {
  const provider = new WsProvider(ws, 50) as unknown as NonNullable<ApiOptions['provider']>;
  const api = await ApiPromise.create({ provider, noInitWarn: true });
  const keyring = new Keyring({ type: 'sr25519' });
  const [alice, bob] = [keyring.addFromUri('//Alice'), keyring.addFromUri('//Bob')];
  const call = (pallet: string, name: string, ...args: readonly unknown[]): Extrinsic =>
    api.tx[pallet]![name]!(...args);
  return {
    api,
    alice,
    bob,
    transfer: (amount) => call('balances', 'transferKeepAlive', bob.address, amount),
    pushMessage: (topic, payload) => call('phalaMq', 'pushMessage', topic, payload),
    batch: (calls) => call('utility', 'batchAll', calls),
    sign: async (extrinsic, nonce, signer = alice) => {
      const signed = await extrinsic.signAsync(signer, { nonce, era: 0 });
      return signed.toHex();
    },
    [Symbol.asyncDispose]: () => api.disconnect(),
  };
}

interface RpcReply {
  readonly id?: number;
  readonly result?: unknown;
  readonly error?: { readonly code: number; readonly message: string; readonly data?: unknown };
  readonly method?: string;
  readonly params?: { readonly subscription: string; readonly result: unknown };
}

/** Speaks JSON-RPC without any client's help. */
export class RawClient implements Disposable {
  readonly socket: WebSocket;
  readonly #replies: unknown[] = [];
  #wake: (() => void)[] = [];
  #lastId = 0;

  private constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on('message', (data: Buffer) => {
      this.#replies.push(JSON.parse(data.toString()));
      for (const wake of this.#wake.splice(0)) wake();
    });
    socket.on('error', () => undefined);
  }

  static async open(ws: string): Promise<RawClient> {
    const socket = new WebSocket(ws);
    await once(socket, 'open');
    return new RawClient(socket);
  }

  /** Sends a text as it is and gives the next message. */
  async raw(text: string): Promise<unknown> {
    this.socket.send(text);
    return this.take(() => true);
  }

  /** The response to one request, result or error. */
  async ask(method: string, ...params: readonly unknown[]): Promise<RpcReply> {
    const id = (this.#lastId += 1);
    this.socket.send(JSON.stringify({ jsonrpc: '2.0', id, method, params }));
    return (await this.take((reply) => (reply as RpcReply).id === id)) as RpcReply;
  }

  async result<T = unknown>(method: string, ...params: readonly unknown[]): Promise<T> {
    const { result, error } = await this.ask(method, ...params);
    if (error !== undefined) throw new Error(`${method}: ${error.code} ${error.message}`);
    return result as T;
  }

  /** The next notification of a subscription. */
  async next<T = unknown>(subscription: string): Promise<T> {
    const reply = (await this.take((one) => (one as RpcReply).params?.subscription === subscription)) as RpcReply;
    return reply.params!.result as T;
  }

  async take(matches: (reply: unknown) => boolean): Promise<unknown> {
    for (;;) {
      const index = this.#replies.findIndex(matches);
      if (index >= 0) return this.#replies.splice(index, 1)[0];
      await new Promise<void>((resolve) => {
        this.#wake.push(resolve);
      });
    }
  }

  /** Notifications of a subscription that came and were not taken. */
  pending(subscription: string): number {
    return this.#replies.filter((reply) => (reply as RpcReply).params?.subscription === subscription).length;
  }

  [Symbol.dispose](): void {
    this.socket.terminate();
  }
}

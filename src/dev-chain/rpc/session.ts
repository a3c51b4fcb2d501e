import { randomBytes } from 'node:crypto';
import { RelayError } from '../../errors/index.ts';
import type { DevNode } from '../node.ts';
import type { RpcCatalogue } from './catalogue.ts';
import { answer, type Request } from './json-rpc.ts';
import type { Subscription } from './method.ts';
import { Params } from './params.ts';
import { rpcErrors } from './rpc-error.ts';

/** One client's requests and subscriptions, whatever carries them. */
export class Session {
  readonly #node: DevNode;
  readonly #rpc: RpcCatalogue;
  /** Without it the client cannot be sent anything but answers, and cannot subscribe. */
  readonly #send: ((text: string) => void) | undefined;
  /** What releases each subscription. */
  readonly #subscriptions = new Map<string, () => void>();
  /** Notifications of subscriptions whose id the client has not been told yet. */
  readonly #early = new Map<string, string[]>();
  #closed = false;

  constructor(node: DevNode, rpc: RpcCatalogue, send?: (text: string) => void) {
    this.#node = node;
    this.#rpc = rpc;
    this.#send = send;
  }

  /** Gives the response, if there is to be one; `sent` is called once it was sent. */
  async receive(text: string): Promise<{ readonly response: string | undefined; readonly sent: () => void }> {
    const opened: string[] = [];
    const response = await answer(text, (request) => this.#dispatch(request, opened));
    return { response, sent: () => opened.forEach((id) => this.#flush(id)) };
  }

  /** Releases all subscriptions. */
  close(): void {
    this.#closed = true;
    for (const release of this.#subscriptions.values()) release();
    this.#subscriptions.clear();
    this.#early.clear();
  }

  async #dispatch(request: Request, opened: string[]): Promise<unknown> {
    const params = new Params(request.params);
    const method = this.#rpc.methods.get(request.method);
    if (method !== undefined) return method(this.#node, params);
    const subscription = this.#rpc.subscriptions.get(request.method);
    if (subscription !== undefined) {
      const id = await this.#open(subscription, params);
      opened.push(id);
      return id;
    }
    if (this.#rpc.unsubscribe.has(request.method)) return this.#release(params.text(0, 'the subscription'));
    throw rpcErrors.methodNotFound();
  }

  async #open(subscription: Subscription, params: Params): Promise<string> {
    if (this.#send === undefined) throw rpcErrors.methodNotFound();
    const id = randomBytes(12).toString('base64url');
    this.#early.set(id, []);
    const send = (result: unknown): void => this.#notify(subscription.notification, id, result);
    // A subscription may end while it is being opened.
    this.#subscriptions.set(id, nothing);
    const end = (): void => void this.#subscriptions.delete(id);
    try {
      const release = await subscription.open(this.#node, params, { id, send, end });
      if (this.#closed) {
        release();
        throw new RelayError('dev-chain-stopped');
      }
      if (this.#subscriptions.has(id)) this.#subscriptions.set(id, release);
    } catch (error) {
      this.#early.delete(id);
      this.#subscriptions.delete(id);
      throw error;
    }
    return id;
  }

  #release(id: string): boolean {
    const release = this.#subscriptions.get(id);
    release?.();
    return this.#subscriptions.delete(id);
  }

  #notify(method: string, subscription: string, result: unknown): void {
    if (this.#closed) return;
    const text = JSON.stringify({ jsonrpc: '2.0', method, params: { subscription, result } });
    const early = this.#early.get(subscription);
    if (early === undefined) this.#send?.(text);
    else early.push(text);
  }

  #flush(id: string): void {
    const early = this.#early.get(id) ?? [];
    this.#early.delete(id);
    for (const text of early) this.#send?.(text);
  }
}

function nothing(): void {
  // Nothing to release yet.
}

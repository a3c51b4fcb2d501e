import { connectChain, type Chain, type ConnectOptions } from '../../src/chain/index.ts';
import { startRpcProxy, type Alter, type RpcProxy } from './rpc-proxy.ts';

/** Ways to a node that lie or fail, and connections over them. */
export interface Endpoints {
  /** To the node of the suite, unless another is given. */
  proxy(alter?: Alter, ws?: string): Promise<RpcProxy>;
  connect(endpoints: readonly string[], options?: Partial<ConnectOptions>): Promise<Chain>;
}

/** For the tests of the suite in which it is called; all of them end with the test that made them. */
export function useEndpoints(ws: () => string, defaults: Partial<ConnectOptions> = {}): Endpoints {
  let made: AsyncDisposable[] = [];
  beforeEach(() => {
    made = [];
  });
  afterEach(async () => {
    for (const each of made.reverse()) await each[Symbol.asyncDispose]();
  });
  return {
    proxy: async (alter, target = ws()) => {
      const started = await startRpcProxy(target, alter);
      made.push(started);
      return started;
    },
    connect: async (endpoints, options = {}) => {
      const backoff = { minMs: 10, maxMs: 50 };
      const chain = await connectChain({ endpoints, timeoutMs: 5_000, backoff, ...defaults, ...options });
      made.push(chain);
      return chain;
    },
  };
}

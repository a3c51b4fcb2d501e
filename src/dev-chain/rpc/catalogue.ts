import { authorMethods, authorSubscriptions } from './author.ts';
import { chainHead } from './chain-head.ts';
import { chainMethods, chainSubscriptions } from './chain.ts';
import { devMethods } from './dev.ts';
import type { Method, Subscription } from './method.ts';
import { paymentMethods } from './payment.ts';
import { stateMethods, stateSubscriptions } from './state.ts';
import { systemMethods } from './system.ts';

/** All that the server answers. */
export interface RpcCatalogue {
  readonly methods: ReadonlyMap<string, Method>;
  readonly subscriptions: ReadonlyMap<string, Subscription>;
  /** The methods that end a subscription. */
  readonly unsubscribe: ReadonlySet<string>;
}

export function rpcCatalogue(): RpcCatalogue {
  const head = chainHead();
  const subscriptions = new Map(
    Object.entries({ ...chainSubscriptions, ...stateSubscriptions, ...authorSubscriptions, ...head.subscriptions }),
  );
  const unsubscribe = new Set([...subscriptions.values()].flatMap((subscription) => subscription.unsubscribe));
  const methods = new Map<string, Method>(
    Object.entries({
      ...authorMethods,
      ...chainMethods,
      ...head.methods,
      ...devMethods,
      ...paymentMethods,
      ...stateMethods,
      ...systemMethods,
    }),
  );
  const names = [...methods.keys(), ...subscriptions.keys(), ...unsubscribe, 'rpc_methods'].sort();
  methods.set('rpc_methods', () => ({ methods: names }));
  return { methods, subscriptions, unsubscribe };
}

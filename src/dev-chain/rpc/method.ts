import type { DevNode } from '../node.ts';
import type { Params } from './params.ts';

/** Answers one request. */
export type Method = (node: DevNode, params: Params) => unknown;

/** Where a subscription's notifications go. */
export interface Sink {
  /** The subscription's id. */
  readonly id: string;
  send(result: unknown): void;
  /** No more will come. */
  end(): void;
}

export interface Subscription {
  /** The `method` of its notifications. */
  readonly notification: string;
  /** The methods that end it. */
  readonly unsubscribe: readonly string[];
  /** Gives the function that releases it. */
  open(node: DevNode, params: Params, sink: Sink): (() => void) | Promise<() => void>;
}

export type Methods = Readonly<Record<string, Method>>;
export type Subscriptions = Readonly<Record<string, Subscription>>;

import type { ClientFrame } from './client-frames.ts';
import type { RelayFrame } from './relay-frames.ts';

type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;

/** A request as its caller gives it: the connection chooses the id. */
export type ClientRequest = DistributiveOmit<Extract<ClientFrame, { id: number }>, 'id'>;

/** What a relay answers a request with. */
export type Answer = Extract<RelayFrame, { type: 'receipt' | 'challenge' | 'logged-in' | 'reply' }>;

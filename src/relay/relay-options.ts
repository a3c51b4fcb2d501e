import type { Logger } from 'pino';
import type { Hex } from '../codec/index.ts';
import type { Accepted, AcceptOptions } from '../inbox/inbox.ts';
import type { MailQuota } from '../store/mail-quota.ts';
import type { MailStore } from '../store/mail-store.ts';
import type { Vault } from '../vault/vault.ts';
import type { Backoff } from './backoff.ts';
import type { RelayLimits } from './limits.ts';

/** What a relay asks of WorkerState; a WorkerStateView is one. */
export interface RelayDirectory {
  get(id: Hex): { readonly endpoints: readonly string[] } | undefined;
  /** How long ago it was last seen to be true, ms; told by /readyz and /metrics. */
  ageMs?(): number;
}

/** The entity that the relay itself receives for. */
export interface LocalEntity {
  readonly identity: Hex;
  /** Of the Inbox: resolves when the message is durable. */
  accept(envelope: Uint8Array, options?: AcceptOptions): Promise<Accepted>;
  /** Signs the ECDH record that a sender of an erased epoch gets. Without it such a sender gets the error alone. */
  readonly vault?: Pick<Vault, 'ecdhKeys' | 'sign'>;
}

/** Whose messages are taken. A message must pass all that is given. */
export interface Access {
  /** Only these senders. Default: everyone. */
  readonly allow?: Iterable<Hex>;
  /** Not these senders. Default: none. */
  readonly deny?: Iterable<Hex>;
  /** Only senders that are registered workers. Default false. */
  readonly registeredOnly?: boolean;
}

export type VerifySignature = (
  publicKey: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
  /** Where it came from: what a bad signature is remembered by. */
  lane?: string,
) => boolean | Promise<boolean>;

export interface RelayOptions {
  readonly genesisHash: Hex;
  readonly listen?: {
    /** Default 127.0.0.1. */
    readonly host?: string;
    /** 0: any free port. Default 8710. */
    readonly port?: number;
  };
  /** /metrics is there and not where messages are taken. Default: at the same listener as all else. */
  readonly metricsListen?: {
    /** Default 127.0.0.1. */
    readonly host?: string;
    /** 0: any free port. */
    readonly port: number;
  };
  /**
   * Base URLs under which clients reach this relay: what recipients sign for at login, and what makes a worker of the
   * chain one of ours. Default: the listen address.
   */
  readonly publicUrls?: readonly string[];
  /** Stays the caller's: stop() does not close it. */
  readonly mailStore: MailStore;
  /** Queue of what is forwarded, another store than `mailStore`; stays the caller's. Without it nothing is forwarded. */
  readonly forwardStore?: MailStore;
  /** Whose messages are forwarded. registered: those of workers of the chain. Default all. */
  readonly forwardFor?: 'all' | 'registered';
  /** Pauses between attempts to forward to one recipient. Default 1 s to 5 min. */
  readonly forwardBackoff?: Backoff;
  /** What may wait for one recipient of another relay, of all senders together. Default: as a mailbox. */
  readonly forwardQuota?: Pick<MailQuota, 'maxCount' | 'maxBytes' | 'strangerPart'>;
  /** Without it only `recipients` and `local` are served. */
  readonly workerState?: RelayDirectory;
  /** Served whatever the chain says. Default: none. */
  readonly recipients?: Iterable<Hex>;
  readonly local?: LocalEntity;
  /** Default: sr25519 of src/crypto, in batches. */
  readonly verifySignature?: VerifySignature;
  /** Threads that verify by default, 64 at most. Default 0: the relay's own. */
  readonly verifyThreads?: number;
  /** Forward to loopback and private addresses, and to those of this machine, too. Default false. */
  readonly allowPrivate?: boolean;
  readonly access?: Access;
  readonly limits?: Partial<RelayLimits>;
  /** PEM. Without it the relay speaks plain HTTP, as behind a proxy. */
  readonly tls?: { readonly cert: string | Uint8Array; readonly key: string | Uint8Array };
  /** Proxies whose X-Forwarded-For is believed: addresses or CIDR ranges. Default: none. */
  readonly trustProxy?: readonly string[];
  /** Default: silent. */
  readonly logger?: Logger;
  /** Unix time, ms. Default Date.now. */
  readonly clock?: () => number;
  /** Random bytes. Default the platform's. */
  readonly random?: (length: number) => Uint8Array;
}

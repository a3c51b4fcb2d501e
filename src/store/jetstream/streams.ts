import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  DiscardPolicy,
  JetStreamApiError,
  jetstreamManager,
  RetentionPolicy,
  StorageType,
  type JetStreamManager,
  type StreamConfig,
  type StreamInfo,
} from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { toHex, type Hex } from '../../codec/index.ts';
import { asRelayError, RelayError } from '../../errors/index.ts';
import { layoutVersion, shardLayout, type ShardLayout } from './layout.ts';

export interface StreamOptions {
  readonly name: string;
  /** Streams of a store that is made now. */
  readonly shards: number;
  /** Copies of each message. Undefined: 3 where NATS is a cluster, else 1; an existing store keeps what it has. */
  readonly replicas: number | undefined;
  /** Most bytes of all streams. Undefined: what the servers give; an existing store keeps what it has. */
  readonly maxTotalBytes: number | undefined;
  /** How long JetStream is to know the keys of messages. */
  readonly dedupeMs: number;
  readonly random: (length: number) => Uint8Array;
  readonly timeoutMs: number;
}

export interface Streams {
  readonly shards: readonly ShardLayout[];
  readonly generation: Hex;
}

const layoutField = 'khala-layout';
const shardsField = 'khala-shards';
const tagField = 'khala-tag';
const generationBytes = 16;
const pauseMs = 200;
const notFound = 10059;
const nameInUse = 10058;
const clusterReplicas = 3;
const nanosPerMs = 1_000_000;

/** Finds the streams of a store, makes those that are missing. Throws nats-failed. */
export async function openStreams(connection: NatsConnection, options: StreamOptions): Promise<Streams> {
  const opener = new StreamOpener(await jetstreamManager(connection, { checkAPI: false }), connection, options);
  const first = await opener.open(0, options.shards);
  const shards = Number(first.config.metadata?.[shardsField]);
  const others = await Promise.all(Array.from({ length: shards - 1 }, (_, at) => opener.open(at + 1, shards)));
  const tags = [first, ...others].map(({ config }) => config.metadata?.[tagField] ?? '');
  // Sequences of a stream that was made anew start anew: that must change the generation of all.
  const generation = createHash('sha256').update(tags.join()).digest().subarray(0, generationBytes);
  return {
    shards: Array.from({ length: shards }, (_, at) => shardLayout(options.name, at)),
    generation: toHex(generation),
  };
}

class StreamOpener {
  readonly #manager: JetStreamManager;
  readonly #connection: NatsConnection;
  readonly #options: StreamOptions;

  constructor(manager: JetStreamManager, connection: NatsConnection, options: StreamOptions) {
    this.#manager = manager;
    this.#connection = connection;
    this.#options = options;
  }

  async open(shard: number, shards: number): Promise<StreamInfo> {
    const { stream } = shardLayout(this.#options.name, shard);
    const info = (await this.#find(stream)) ?? (await this.#make(shard, shards));
    this.#check(info);
    const wanted = this.#wanted(info.config, shard);
    return wanted === undefined ? info : this.#retry(() => this.#manager.streams.update(stream, wanted));
  }

  #find(stream: string): Promise<StreamInfo | undefined> {
    return this.#retry(async () => {
      try {
        return await this.#manager.streams.info(stream);
      } catch (error) {
        if (error instanceof JetStreamApiError && error.code === notFound) return undefined;
        throw error;
      }
    });
  }

  #make(shard: number, shards: number): Promise<StreamInfo> {
    const { name, random, replicas, maxTotalBytes, dedupeMs } = this.#options;
    const { stream, subjects } = shardLayout(name, shard);
    const isCluster = this.#connection.info?.cluster !== undefined;
    return this.#retry(async () => {
      try {
        return await this.#manager.streams.add({
          name: stream,
          subjects,
          storage: StorageType.File,
          retention: RetentionPolicy.Limits,
          // Full is full: nothing that was taken makes room for what comes.
          discard: DiscardPolicy.New,
          num_replicas: replicas ?? (isCluster ? clusterReplicas : 1),
          ...(maxTotalBytes !== undefined && { max_bytes: Math.ceil(maxTotalBytes / shards) }),
          allow_direct: true,
          allow_atomic: true,
          allow_batched: true,
          allow_msg_ttl: true,
          allow_rollup_hdrs: true,
          duplicate_window: dedupeMs * nanosPerMs,
          metadata: {
            [layoutField]: String(layoutVersion),
            [shardsField]: String(shards),
            [tagField]: toHex(random(generationBytes)),
          },
        });
      } catch (error) {
        // Another process was faster: it is one store all the same.
        if (error instanceof JetStreamApiError && error.code === nameInUse) return this.#manager.streams.info(stream);
        throw error;
      }
    });
  }

  #check({ config: { name, metadata, allow_atomic, allow_batched, allow_msg_ttl, allow_direct } }: StreamInfo): void {
    const shards = Number(metadata?.[shardsField]);
    const isFit = allow_atomic === true && allow_batched === true && allow_msg_ttl === true && allow_direct;
    // The first layout did not say so.
    const version = Number(metadata?.[layoutField] ?? 1);
    if (shards >= 1 && version === layoutVersion && isFit) return;
    const reason =
      shards >= 1 && version !== layoutVersion
        ? `the stream ${name} has layout ${version} of a mail store, and this version of khala-relay reads ${layoutVersion}: let the version that made it deliver what is in it, then delete the streams of the store`
        : `the stream ${name} is none of a mail store`;
    throw new RelayError('nats-failed', { details: { servers: this.#connection.getServer(), reason } });
  }

  /** undefined: it is as asked for. */
  #wanted(config: StreamConfig, shard: number): Partial<StreamConfig> | undefined {
    const { name, replicas = config.num_replicas, maxTotalBytes } = this.#options;
    // Later versions have more kinds of them.
    const subjects = [...new Set([...config.subjects, ...shardLayout(name, shard).subjects])];
    const shards = Number(config.metadata?.[shardsField]);
    const maxBytes = maxTotalBytes === undefined ? config.max_bytes : Math.ceil(maxTotalBytes / shards);
    const window = Math.max(this.#options.dedupeMs * nanosPerMs, config.duplicate_window);
    if (
      replicas === config.num_replicas &&
      maxBytes === config.max_bytes &&
      window === config.duplicate_window &&
      subjects.length === config.subjects.length
    )
      return undefined;
    return { subjects, num_replicas: replicas, max_bytes: maxBytes, duplicate_window: window };
  }

  // A cluster that has just started has no leader yet.
  async #retry<T>(work: () => Promise<T>): Promise<T> {
    const until = performance.now() + this.#options.timeoutMs;
    for (;;) {
      try {
        return await work();
      } catch (error) {
        const isFinal = error instanceof JetStreamApiError && error.status < 500;
        if (isFinal || this.#connection.isClosed() || performance.now() + pauseMs > until)
          throw asRelayError(error, 'nats-failed', { servers: this.#connection.getServer() });
        await sleep(pauseMs);
      }
    }
  }
}

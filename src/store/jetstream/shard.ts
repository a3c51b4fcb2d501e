import type { Hex } from '../../codec/index.ts';
import { RelayError } from '../../errors/index.ts';
import { DirectReader } from './direct-read.ts';
import { HeaderScan } from './header-scan.ts';
import { LeaderReader } from './leader-read.ts';
import { shardOf, type MailboxPlace, type ShardLayout } from './layout.ts';
import type { Link } from './link.ts';
import { Publisher } from './publisher.ts';

/** One stream and the way to write to it. */
export interface Shard extends ShardLayout {
  readonly link: Link;
  readonly publisher: Publisher;
  /** For tombstones: nobody waits for an acknowledgement to be done. */
  readonly burials: Publisher;
}

const maxPlaces = 10_000;

/** All streams of a store, and the ways to read them. */
export class Shards {
  readonly all: readonly Shard[];
  readonly direct: DirectReader;
  readonly leader: LeaderReader;
  readonly headers: HeaderScan;
  readonly #places = new Map<Hex, Shard & MailboxPlace>();

  constructor(link: Link, layouts: readonly ShardLayout[], timeoutMs: number) {
    this.direct = new DirectReader(link, timeoutMs);
    this.leader = new LeaderReader(link, timeoutMs);
    this.headers = new HeaderScan(link, timeoutMs);
    this.all = layouts.map((layout) => ({
      ...layout,
      link,
      publisher: new Publisher(link, timeoutMs),
      burials: new Publisher(link, timeoutMs, true),
    }));
  }

  of(recipient: Hex): Shard & MailboxPlace {
    const known = this.#places.get(recipient);
    if (known !== undefined) return known;
    const shard = this.all[shardOf(recipient, this.all.length)];
    if (shard === undefined)
      throw new RelayError('bad-value', { details: { what: 'A recipient', reason: `${recipient} is no identity` } });
    const place = { ...shard, ...shard.placeOf(recipient) };
    // To make them takes as long as to use them.
    if (this.#places.size >= maxPlaces) this.#places.clear();
    this.#places.set(recipient, place);
    return place;
  }
}

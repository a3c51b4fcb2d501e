import type { MailQuota } from '../mail-quota.ts';
import type { LeaderReader } from './leader-read.ts';
import type { Shard } from './shard.ts';

interface StreamAnswer {
  readonly config?: { readonly max_bytes?: number };
  readonly state?: { readonly bytes?: number };
}

interface Usage {
  readonly storage?: number;
  /** Absent or not above 0: it has none. */
  readonly limits?: { readonly max_storage?: number };
}

interface AccountAnswer extends Usage {
  /** By the number of copies, where the account has limits of that kind. */
  readonly tiers?: Readonly<Record<string, Usage>>;
}

type RoomQuota = Pick<Required<MailQuota>, 'strangerPart' | 'maxTotalBytes'>;

/** What a stream holds, and what bounds it. */
interface Fill {
  readonly bytes: number;
  readonly maxTotalBytes: number;
  readonly at: number;
}

// What other processes append is seen after this.
const maxAgeMs = 2_000;
// A full stream is looked at again, since it may have been emptied.
const fullMaxAgeMs = 250;
// Of what is left to strangers, before it is looked at again.
const mostAddedPart = 1 / 16;

/**
 * From some part of a stream on it takes only what known senders send, so who makes keys by the thousand fills no store. Several
 * processes may each let through what comes until they look again.
 */
export class StrangerRoom {
  readonly #leader: LeaderReader;
  readonly #quota: RoomQuota;
  readonly #shards: number;
  readonly #fills = new Map<string, Fill>();
  readonly #looking = new Map<string, Promise<Fill>>();
  readonly #added = new Map<string, number>();

  constructor(leader: LeaderReader, shards: number, quota: RoomQuota) {
    this.#leader = leader;
    this.#shards = shards;
    this.#quota = quota;
  }

  /** Text: why the stream takes no message of so many bytes from a stranger. Throws mail-store-failed. */
  async whyFull({ stream }: Pick<Shard, 'stream'>, size: number): Promise<string | undefined> {
    const known = await this.#fill(stream, maxAgeMs);
    if (this.#why(stream, known, size) !== undefined) {
      const reason = this.#why(stream, await this.#fill(stream, fullMaxAgeMs), size);
      if (reason !== undefined) return reason;
    }
    this.#added.set(stream, (this.#added.get(stream) ?? 0) + size);
    return undefined;
  }

  #why(stream: string, { bytes, maxTotalBytes }: Fill, size: number): string | undefined {
    const most = Math.ceil(maxTotalBytes * this.#quota.strangerPart);
    if (bytes + (this.#added.get(stream) ?? 0) + size <= most) return undefined;
    return `the store takes ${most} bytes in this place before the rest is left to known senders`;
  }

  async #fill(stream: string, maxAge: number): Promise<Fill> {
    const known = this.#fills.get(stream);
    if (known !== undefined && performance.now() - known.at < maxAge && !this.#isGrown(stream, known)) return known;
    const looking = this.#looking.get(stream) ?? this.#look(stream).finally(() => this.#looking.delete(stream));
    this.#looking.set(stream, looking);
    return looking;
  }

  #isGrown(stream: string, { bytes, maxTotalBytes }: Fill): boolean {
    const left = Math.max(0, maxTotalBytes * this.#quota.strangerPart - bytes);
    return (this.#added.get(stream) ?? 0) > left * mostAddedPart;
  }

  async #look(stream: string): Promise<Fill> {
    const before = this.#added.get(stream) ?? 0;
    const { config, state } = await this.#leader.api<StreamAnswer>(`STREAM.INFO.${stream}`, {});
    const ofStream = config?.max_bytes ?? 0;
    const fill = { bytes: state?.bytes ?? 0, at: performance.now() };
    const looked = ofStream > 0 ? { ...fill, maxTotalBytes: ofStream } : await this.#withoutLimit(fill);
    this.#fills.set(stream, looked);
    // What came meanwhile may be in it or not.
    this.#added.set(stream, (this.#added.get(stream) ?? 0) - before);
    return looked;
  }

  /** The account's limit bounds all streams together; where it has none, the usual one does. */
  async #withoutLimit(fill: Omit<Fill, 'maxTotalBytes'>): Promise<Fill> {
    const { tiers = {}, ...all } = await this.#leader.api<AccountAnswer>('INFO', {});
    const [fullest] = [all, ...Object.values(tiers)]
      .map(({ storage = 0, limits }) => ({ bytes: storage, maxTotalBytes: limits?.max_storage ?? 0 }))
      .filter(({ maxTotalBytes }) => maxTotalBytes > 0)
      .sort((a, b) => b.bytes / b.maxTotalBytes - a.bytes / a.maxTotalBytes);
    if (fullest !== undefined) return { ...fill, ...fullest };
    return { ...fill, maxTotalBytes: this.#quota.maxTotalBytes / this.#shards };
  }
}

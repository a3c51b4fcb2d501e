import type { BodyBudget, BodyLease } from './body-budget.ts';
import { unitsOf } from './token-buckets.ts';

/** Whose the WebSocket is. An interface and no callbacks: there are thousands of connections. */
export interface InletOwner {
  /** Charges the connection's address. Time until it may have so much, ms; 0: it is charged. */
  charge(units: number): number;
  /** A message that is paid for. */
  take(message: Uint8Array): void;
  /** A ping that is paid for. */
  pong(data: Buffer): void;
  /** {@link WsInlet.isHeld} has changed. */
  inletHeld(): void;
  /** There is no memory for the message that is under way. */
  inletFull(): void;
}

export interface InletLimits {
  readonly budget: BodyBudget;
  /** Of the address. */
  readonly key: string;
}

// What costs little: acknowledgements, credit, control frames. As a part of a message.
const lightUnits = 1 / 16;
const lightTypes: ReadonlySet<number | undefined> = new Set([0x04, 0x05]);
// Not for each token alone.
const shortestHoldMs = 20;
const longestHoldMs = 60_000;
// What a chunk takes beside its bytes, or a message that waits.
const chunkOverhead = 256;
// Of a message that is not whole: from here on it is counted.
const uncountedBytes = 4_096;

/**
 * What comes in over one WebSocket: no faster than its address may go. Past that it is not read from, and what one read
 * brought beyond waits its turn, so that to be held up costs the relay nothing. What has come of a message that is not whole
 * is counted, together with that of all other connections, as is what waits.
 */
export class WsInlet {
  readonly #owner: InletOwner;
  readonly #limits: InletLimits;
  #waiting: Uint8Array[] | undefined;
  #ping: Buffer | undefined;
  /** Units of control frames that came while it was held. */
  #owed = 0;
  #holding: ReturnType<typeof setTimeout> | undefined;
  #unfinished = 0;
  #chunks = 0;
  /** Of what waits. */
  #kept: BodyLease | undefined;
  #isFull = false;
  #isWhole = false;
  #isOld = false;
  #lease: BodyLease | undefined;
  #counted = 0;

  constructor(owner: InletOwner, limits: InletLimits) {
    this.#owner = owner;
    this.#limits = limits;
  }

  /** Nothing is to be read from the connection. */
  get isHeld(): boolean {
    return this.#holding !== undefined;
  }

  message(data: Uint8Array): void {
    // The rest of what was read comes still.
    if (this.#isFull) return;
    this.#isWhole = true;
    this.#unfinished -= wireLength(data.length);
    if (this.#waiting === undefined && this.#mayTake(costOf(data))) this.#owner.take(data);
    else this.#keep(data);
  }

  /** `ping`: what a ping carries. Of those that wait only the newest is answered (RFC 6455 §5.5.3). */
  control(length: number, ping?: Buffer): void {
    this.#unfinished -= wireLength(length);
    // A copy: a view would keep all that was read from the socket with it for as long as its answer waits.
    const own = ping === undefined ? undefined : Buffer.from(ping);
    if (!this.isHeld && this.#mayTake(lightUnits)) {
      if (own !== undefined) this.#owner.pong(own);
      return;
    }
    this.#owed += lightUnits;
    this.#ping = own ?? this.#ping;
  }

  /** So many bytes have come, after what they made whole. */
  arrived(bytes: number): void {
    if (this.#isFull) return;
    this.#unfinished += bytes;
    this.#chunks += 1;
    if (this.#isWhole) {
      // The rest is of these bytes, however they were cut into frames.
      this.#unfinished = Math.max(0, Math.min(this.#unfinished, bytes));
      this.#chunks = 0;
      this.#isWhole = false;
      this.#isOld = false;
      this.#giveBack();
    }
    const counted = this.#unfinished + this.#chunks * chunkOverhead;
    if (counted <= Math.max(uncountedBytes, this.#counted)) return;
    const { budget, key } = this.#limits;
    this.#lease ??= this.#newLease(budget, key);
    try {
      this.#lease.grow(counted - this.#counted);
      this.#counted = counted;
    } catch {
      this.#overflow();
    }
  }

  /** Whether the same message was under way when this was asked the last time. */
  isStuck(): boolean {
    const wasOld = this.#isOld;
    this.#isOld = this.#unfinished > 0;
    return wasOld && this.#isOld;
  }

  /** The connection is gone. */
  release(): void {
    clearTimeout(this.#holding);
    this.#waiting = undefined;
    this.#kept?.end();
    this.#giveBack();
  }

  /** However short they are, each takes memory for as long as it waits. */
  #keep(data: Uint8Array): void {
    const { budget, key } = this.#limits;
    (this.#waiting ??= []).push(data);
    try {
      this.#kept ??= this.#newLease(budget, key);
      this.#kept.grow(keptBytes(data));
    } catch {
      this.#overflow();
    }
  }

  #newLease(budget: BodyBudget, key: string): BodyLease {
    const lease = budget.lease(key);
    lease.onEvicted = () => {
      this.#overflow();
    };
    return lease;
  }

  #overflow(): void {
    if (this.#isFull) return;
    this.#isFull = true;
    this.#waiting = undefined;
    this.#owner.inletFull();
  }

  #giveBack(): void {
    this.#lease?.end();
    this.#lease = undefined;
    this.#counted = 0;
  }

  #mayTake(units: number): boolean {
    const waitMs = this.#owner.charge(units);
    if (waitMs === 0) return true;
    if (this.#holding === undefined) {
      this.#hold(waitMs);
      this.#owner.inletHeld();
    }
    return false;
  }

  #hold(waitMs: number): void {
    const holdMs = Math.max(shortestHoldMs, Math.min(longestHoldMs, waitMs));
    this.#holding = setTimeout(() => {
      this.#goOn();
    }, holdMs);
  }

  #goOn(): void {
    // Else each pause would end with as many more, unpaid.
    const owedMs = this.#owed === 0 ? 0 : this.#owner.charge(this.#owed);
    if (owedMs > 0) {
      this.#hold(owedMs);
      return;
    }
    this.#owed = 0;
    const waiting = this.#isFull ? [] : (this.#waiting ?? []);
    let taken = 0;
    for (const message of waiting) {
      const waitMs = this.#owner.charge(costOf(message));
      if (waitMs > 0) {
        this.#waiting = waiting.slice(taken);
        this.#hold(waitMs);
        return;
      }
      taken += 1;
      this.#kept?.shrink(keptBytes(message));
      this.#owner.take(message);
    }
    this.#waiting = undefined;
    this.#holding = undefined;
    if (this.#ping !== undefined) this.#owner.pong(this.#ping);
    this.#ping = undefined;
    this.#owner.inletHeld();
  }
}

function keptBytes(message: Uint8Array): number {
  return message.length + chunkOverhead;
}

function costOf(message: Uint8Array): number {
  return lightTypes.has(message[0]) ? lightUnits : unitsOf(message.length);
}

/** Of a frame from a client with so much in it (RFC 6455 §5.2). */
function wireLength(payload: number): number {
  return payload + (payload < 126 ? 6 : payload < 65_536 ? 8 : 14);
}

import { newerKey, type NewerKey } from '../channel/index.ts';
import { encodeSignedEnvelope, type Hex } from '../codec/index.ts';
import { decodeV1 } from '../crypto/core.ts';
import { asRelayError, isLocalFailure, type RelayError } from '../errors/index.ts';
import { rememberKey } from '../worker-state/index.ts';
import type { Carried, OffChainCarrier } from './off-chain-carrier.ts';
import { Change, type Stored } from './outbox-store.ts';
import type { SendId } from './send-id.ts';
import { sealStored, type Sealed } from './seal-kept.ts';
import type { Work } from './work.ts';

/** Recipients that are served at a time; to each one goes one message after the other. */
const maxRecipients = 16;
const pageSize = 256;
/** Before a recipient that was not reached is tried again; doubles. */
const retryMs = 1_000;
/** Longest of these pauses. */
const maxRetryMs = 60_000;

/** No other try can help. */
const final: ReadonlySet<string> = new Set([
  ...['envelope-too-large', 'off-chain-only-v1', 'signer-mismatch', 'clock-skew', 'replay-too-old', 'bad-signature'],
  ...['unknown-recipient', 'unproven-key', 'bad-public-key', 'bad-shared-secret', 'kept-open-failed', 'from-self'],
]);

interface Pause {
  readonly until: number;
  readonly tries: number;
}

/** Hands messages to the carrier, in order for each recipient, and what it can't take to the chain. */
export class RelayLane {
  readonly #work: Work;
  readonly #pauses = new Map<Hex, Pause>();
  readonly #newest = new Map<Hex, NewerKey>();
  readonly #busy = new Map<Hex, Promise<void>>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(work: Work) {
    this.#work = work;
  }

  /** Begins what can begin; what ends wakes the outbox. */
  async step(): Promise<void> {
    const { store, carrier } = this.#work;
    const seen = new Set<Hex>(this.#busy.keys());
    for (let from = 0n; this.#busy.size < maxRecipients;) {
      const page = await store.waiting('relay', pageSize, from);
      if (carrier === undefined) await this.#toChain(page.filter(mayGoOnChain));
      else
        for (const stored of page) {
          const { to } = stored.record;
          if (seen.has(to) || this.#busy.size >= maxRecipients) continue;
          seen.add(to);
          if (this.#isPaused(to)) continue;
          this.#serve(to, stored, carrier);
        }
      const last = page.at(-1);
      if (last === undefined || page.length < pageSize) break;
      from = last.id + 1n;
    }
  }

  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    await Promise.allSettled(this.#busy.values());
  }

  #serve(to: Hex, stored: Stored, carrier: OffChainCarrier): void {
    const serving = this.#carry(stored, carrier)
      .catch((error: unknown) => {
        if (!this.#work.signal.aborted) this.#work.setback(error);
      })
      .finally(() => {
        this.#busy.delete(to);
        this.#work.wake();
      });
    this.#busy.set(to, serving);
  }

  async #carry(stored: Stored, carrier: OffChainCarrier): Promise<void> {
    const { to } = stored.record;
    await this.#work.directory.load?.(to, this.#work.signal);
    if (!carrier.canReach(to)) {
      if (!(await this.#elsewhere(stored))) this.#pause(to);
      return;
    }
    try {
      const { messageId, carried } = await this.#toNewestKey(stored, carrier);
      this.#pauses.delete(to);
      const end = { state: 'relayed', messageId, ...carried } as const;
      await this.#work.finish([[stored, end]], new Change().unqueue(stored.id, 'relay'));
    } catch (error) {
      if (this.#work.signal.aborted || isLocalFailure(error)) throw error;
      await this.#notCarried(stored, asRelayError(error, 'outbox-setback'));
    }
  }

  async #notCarried(stored: Stored, error: RelayError): Promise<void> {
    if (await this.#elsewhere(stored)) return;
    if (final.has(error.code)) {
      const change = new Change().unqueue(stored.id, 'relay');
      await this.#work.finish([[stored, { state: 'failed', error }]], change);
      return;
    }
    this.#pause(stored.record.to);
    this.#work.setback(error);
  }

  /** Where the recipient has erased the key and names a newer one, seals to that; the nonce stays, so one of the two counts. */
  async #toNewestKey(
    stored: Stored,
    carrier: OffChainCarrier,
  ): Promise<{ readonly messageId: Hex; readonly carried: Carried }> {
    const { chain, entityStore } = this.#work;
    const { to } = stored.record;
    const sealed = await sealStored(this.#work, stored, this.#newest.get(to)?.ecdhKey);
    try {
      return { messageId: sealed.messageId, carried: await this.#hand(sealed, carrier) };
    } catch (error) {
      const used = { epoch: this.#newest.get(to)?.epoch ?? this.#epochOf(to, sealed) };
      const newer = newerKey(error, { genesisHash: chain.genesisHash, identity: to, used });
      if (newer === undefined) throw error;
      await rememberKey(chain, to, newer, entityStore);
      this.#newest.set(to, newer);
      const again = await sealStored(this.#work, stored, newer.ecdhKey);
      return { messageId: again.messageId, carried: await this.#hand(again, carrier) };
    }
  }

  /** Of the key that it was sealed to, where the directory tells; else any named epoch is newer. */
  #epochOf(to: Hex, { envelope }: Sealed): number {
    const current = this.#work.directory.get(to)?.current as { readonly epoch?: number } | undefined;
    return decodeV1(envelope).header.to === to ? (current?.epoch ?? -1) : -1;
  }

  async #hand({ stored, envelope }: Sealed, carrier: OffChainCarrier): Promise<Carried> {
    const { vault, chain, signal } = this.#work;
    const signature = await vault.sign({ type: 'envelope', genesisHash: chain.genesisHash, envelope });
    const signed = encodeSignedEnvelope({ identity: vault.identity, signature, envelope });
    const { endpoint, status } = await carrier.carry(signed, stored.record.to, signal);
    return { endpoint, status };
  }

  /** On chain, where the sender agreed to fees. */
  async #elsewhere(stored: Stored): Promise<boolean> {
    if (!mayGoOnChain(stored) || this.#work.account === undefined) return false;
    return this.#toChain([stored]);
  }

  async #toChain(messages: readonly Stored[]): Promise<boolean> {
    if (messages.length === 0 || this.#work.account === undefined) return false;
    const change = new Change();
    for (const { id } of messages) change.unqueue(id, 'relay').queue(id, 'worker');
    return this.#work.save(change, messages, []);
  }

  #isPaused(to: Hex): boolean {
    return (this.#pauses.get(to)?.until ?? 0) > this.#work.now();
  }

  #pause(to: Hex): void {
    const tries = (this.#pauses.get(to)?.tries ?? 0) + 1;
    const ms = Math.min(maxRetryMs, retryMs * 2 ** (tries - 1));
    this.#pauses.set(to, { until: this.#work.now() + ms, tries });
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.#work.wake, Math.min(ms, this.#soonest()) + 1).unref();
  }

  #soonest(): number {
    const now = this.#work.now();
    return [...this.#pauses.values()].reduce(
      (least, { until }) => Math.min(least, Math.max(0, until - now)),
      maxRetryMs,
    );
  }
}

function mayGoOnChain({ record }: Pick<Stored, 'record'> & { readonly id: SendId }): boolean {
  return record.via !== 'relay';
}

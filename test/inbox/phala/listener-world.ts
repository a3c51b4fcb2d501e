import { isDeepStrictEqual } from 'node:util';
import { decodeCommandPayload, encodeCommandPayload } from '../../../src/codec/index.ts';
import { createPhalaListener, openPhalaFiles, type PhalaEvent } from '../../../src/inbox/index.ts';
import { createMemoryVault } from '../../../src/vault/index.ts';
import { alice } from '../../support/entities.ts';
import type { Life } from '../../support/simulation/life.ts';
import { Lives, type Parts } from '../../support/simulation/lives.ts';
import type { Death } from '../../support/simulation/mortal-store.ts';

const topic = new TextEncoder().encode('commands');

/** What the consumer wrote down, as its own database would. */
type Heard =
  | { readonly event: 'started' }
  | { readonly event: 'delivered' | 'acknowledged'; readonly text: string }
  | { readonly event: 'gap'; readonly first: number; readonly last: number };

/** The real listener over a chain in memory: each posting of a finalized block once, in the order of the chain. */
export class ListenerWorld {
  readonly lives: Lives;
  readonly #vault = createMemoryVault();
  readonly #heard: Heard[] = [];
  readonly #heldBack: (() => Promise<void>)[] = [];
  #isHolding = false;
  #count = 0;
  #garbage = 0;

  constructor(death?: Death) {
    this.lives = new Lives(death, (parts) => {
      this.#begin(parts);
    });
  }

  get messages(): number {
    return this.#count;
  }

  #begin({ life, chain, store }: Parts): void {
    const options = { topics: [topic], from: 1, onGap: 'skip' } as const;
    const listener = createPhalaListener({ chain, vault: this.#vault, store, ...options });
    this.#heldBack.length = 0;
    this.#heard.push({ event: 'started' });
    // Who runs it starts it again.
    const end = (): void => {
      life.end();
    };
    listener.events$.subscribe({
      next: (event) => {
        if (!life.isOver) this.#write(life, event);
      },
      error: end,
    });
    listener.start().catch(end);
  }

  /** A command that waits in the pool. */
  post(): void {
    const content = new TextEncoder().encode(`command ${this.#count++}`);
    const payload = encodeCommandPayload({ kind: 'plain', content });
    this.lives.chain.pass({ kind: 'account', id: alice.id }, { destination: topic, payload });
  }

  /** What nobody can read. */
  postGarbage(): void {
    const payload = Uint8Array.of(9, this.#garbage++);
    this.lives.chain.pass({ kind: 'account', id: alice.id }, { destination: topic, payload });
  }

  /** The consumer acknowledges at once, or holds back until it is told to. */
  async hold(isHolding: boolean): Promise<void> {
    this.#isHolding = isHolding;
    if (!isHolding) for (const acknowledge of this.#heldBack.splice(0)) void acknowledge();
    await this.lives.settle();
  }

  /** Finalizes all there is; what was broken. */
  async end(): Promise<readonly string[]> {
    await this.lives.stayAway(false);
    await this.hold(false);
    for (let n = 0; n < 3; n++) await this.lives.build(false);
    await this.lives.finalize(0);
    this.lives.end();
    return [...this.#broken(), ...(await this.#brokenLetters())];
  }

  #broken(): string[] {
    const broken: string[] = [];
    const firsts: string[] = [];
    const acknowledged = new Set<string>();
    let sinceStart = new Set<string>();
    for (const entry of this.#heard) {
      if (entry.event === 'started') sinceStart = new Set();
      if (entry.event === 'acknowledged') acknowledged.add(entry.text);
      if (entry.event !== 'delivered') continue;
      const { text } = entry;
      if (sinceStart.has(text)) broken.push(`"${text}" was delivered twice in one run`);
      if (acknowledged.has(text)) broken.push(`"${text}" was delivered again after it was acknowledged`);
      if (!firsts.includes(text)) firsts.push(text);
      sinceStart.add(text);
    }
    for (const entry of this.#heard)
      for (let number = 0; entry.event === 'gap' && number <= entry.last; number++) {
        const block = number < entry.first ? undefined : this.lives.chain.at(number);
        if (block !== undefined && this.lives.chain.hasState(block)) broken.push(`block ${number} was not missing`);
      }
    const meant = this.#inBlocks((payload) => (isGarbage(payload) ? undefined : textIn(payload)));
    if (!isDeepStrictEqual(firsts, meant))
      broken.push(`delivered were ${firsts.join(', ')} where blocks have ${meant.join(', ')}`);
    return broken;
  }

  async #brokenLetters(): Promise<string[]> {
    const files = await openPhalaFiles(this.lives.disk);
    const letters: string[] = [];
    for await (const { payload } of files.deadLetters()) letters.push(`garbage ${payload[1]}`);
    const meant = this.#inBlocks((payload) => (isGarbage(payload) ? `garbage ${payload[1]}` : undefined));
    return isDeepStrictEqual(letters, meant)
      ? []
      : [`dead letters are ${letters.join(', ')} where blocks have ${meant.join(', ')}`];
  }

  /** Of those of which the listener did not say that they are missing. */
  #inBlocks(nameOf: (payload: Uint8Array) => string | undefined): string[] {
    const isMissing = (number: number): boolean =>
      this.#heard.some((entry) => entry.event === 'gap' && entry.first <= number && number <= entry.last);
    const texts: string[] = [];
    for (let number = 1; number <= this.lives.chain.finalized.head.number; number++)
      for (const { payload } of isMissing(number) ? [] : (this.lives.chain.at(number)?.messages ?? []))
        texts.push(...[nameOf(payload)].filter((text) => text !== undefined));
    return texts;
  }

  #write(life: Life, event: PhalaEvent): void {
    if (event.type === 'gap') {
      const { first, last } = event;
      const hear = async (): Promise<void> => {
        this.#heard.push({ event: 'gap', first, last });
      };
      // A consumer that takes one after the other comes to it when it is done with what was before.
      if (this.#isHolding && this.#heldBack.length > 0) this.#heldBack.push(hear);
      else void hear();
    }
    if (event.type !== 'message') return;
    const { delivery } = event;
    const text = new TextDecoder().decode(delivery.content);
    this.#heard.push({ event: 'delivered', text });
    const acknowledge = async (): Promise<void> => {
      await delivery.ack().catch(() => delivery.ack());
      if (!life.isOver) this.#heard.push({ event: 'acknowledged', text });
    };
    if (this.#isHolding) this.#heldBack.push(acknowledge);
    else void acknowledge();
  }
}

function isGarbage(payload: Uint8Array): boolean {
  return payload[0] === 9;
}

function textIn(payload: Uint8Array): string {
  const command = decodeCommandPayload(payload);
  return command.kind === 'plain' ? new TextDecoder().decode(command.content) : command.kind;
}

import type { ApiPromise } from '@polkadot/api';
import { createKeyMulti } from '@polkadot/util-crypto';
import { openWallet, type Wallet } from '../chain/support.ts';
import { until } from '../support/until.ts';
import type { ChainCall } from './population.ts';

/** Events of calls that run others, and what these were run through. Each tells how that went. */
const runners: Readonly<Record<string, string>> = {
  'proxy.ProxyExecuted': 'through a proxy',
  'sudo.SudoAsDone': 'by sudo as another',
  'utility.ItemCompleted': 'in a batch',
};
/** The pool has it already. */
const alreadyImported = '1013:';
const noWeightLimit = { refTime: 50_000_000_000, proofSize: 1_000_000 };

/** Posts on the undisturbed way, again where the node went away under it. */
export class Posting implements AsyncDisposable {
  readonly #ws: () => string;
  #open: { readonly ws: string; readonly wallet: Wallet } | undefined;
  /** How often the chain ran a call through another one, by that. */
  readonly ran = new Map<string, number>();
  /** Calls in batches that came to nothing. */
  failed = 0;

  constructor(ws: () => string) {
    this.#ws = ws;
  }

  /** A client that knows the present runtime. */
  async wallet(): Promise<Wallet> {
    const ws = this.#ws();
    if (this.#open?.ws === ws && this.#open.wallet.api.isConnected) return this.#open.wallet;
    await this.close();
    this.#open = { ws, wallet: await openWallet(ws) };
    return this.#open.wallet;
  }

  /** Of the runtime that the newest block left. */
  async specVersion(): Promise<number> {
    return (await this.wallet()).api.runtimeVersion.specVersion.toNumber();
  }

  /** The chain's clock, Unix ms. */
  async time(): Promise<bigint> {
    return (await (await this.wallet()).api.query.timestamp.now()).toBigInt();
  }

  /** Alice acts for Bob from here on, as long as no reorg takes that back. */
  async setUp(): Promise<void> {
    const { api, alice, bob } = await this.wallet();
    const [proxies] = await api.query.proxy.proxies(bob.address);
    if (proxies.length === 0) await this.#send(api.tx.proxy.addProxy(alice.address, 'Any', 0), bob);
  }

  async post(calls: readonly ChainCall[]): Promise<void> {
    const { api, alice } = await this.wallet();
    await this.#note(api, await this.#send(api.tx.utility.forceBatch([...calls]), alice), runners);
  }

  /** By a multisig of Alice and Bob: one proposes it, the other one lets it run. */
  async together(call: ChainCall): Promise<void> {
    const { api, alice, bob } = await this.wallet();
    const { asMulti } = api.tx.multisig;
    await this.#send(asMulti(2, [bob.address], null, call, noWeightLimit), alice);
    const hash = call.method.hash.toHex();
    const proposed = await api.query.multisig.multisigs(createKeyMulti([alice.address, bob.address], 2), hash);
    const block = await this.#send(asMulti(2, [alice.address], proposed.unwrap().when, call, noWeightLimit), bob);
    await this.#note(api, block, { 'multisig.MultisigExecuted': 'by a multisig of two' });
  }

  /** As root; afterwards the runtime may be another. */
  async root(make: (wallet: Wallet) => Promise<readonly ChainCall[]>): Promise<void> {
    const wallet = await this.wallet();
    const calls = await make(wallet);
    const [call] = asRoot(wallet.api, calls);
    if (call === undefined) return;
    await this.#send(call, wallet.alice);
    if (calls.some(({ method }) => method.section === 'system')) await this.close();
  }

  /** Until it posts again, then with the runtime that there is. What a client asks while it changes its runtime may fail. */
  async close(): Promise<void> {
    await this.#open?.wallet[Symbol.asyncDispose]();
    this.#open = undefined;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** The block that it is in, or one after it. */
  async #send(call: ChainCall, by: Wallet['alice']): Promise<string> {
    const { api, post } = await this.wallet();
    const nonce = async (): Promise<number> => (await api.query.system.account(by.address)).nonce.toNumber();
    const before = await nonce();
    try {
      return await post(call, by);
    } catch (error) {
      // Its connection broke, and the provider sent the same bytes again.
      if (!String(error).includes(alreadyImported)) throw error;
      await until(async () => (await nonce()) > before);
      return (await api.rpc.chain.getBlockHash()).toHex();
    }
  }

  async #note(api: ApiPromise, block: string, runners: Readonly<Record<string, string>>): Promise<void> {
    for (const { event } of await (await api.at(block)).query.system.events()) {
      if (event.section === 'utility' && event.method === 'ItemFailed') this.failed += 1;
      const how = runners[`${event.section}.${event.method}`];
      const result = event.data.find((field) => field.toRawType().startsWith('Result'));
      const isDone = result === undefined || (result as unknown as { readonly isOk: boolean }).isOk;
      if (how !== undefined && isDone) this.ran.set(how, (this.ran.get(how) ?? 0) + 1);
    }
  }
}

/** One call of Alice, whatever they weigh; none for none. */
export function asRoot({ tx }: Wallet['api'], calls: readonly ChainCall[]): ChainCall[] {
  if (calls.length === 0) return [];
  return [tx.sudo.sudoUncheckedWeight(tx.utility.batchAll([...calls]), { refTime: 0, proofSize: 0 })];
}

import { readFile } from 'node:fs/promises';
import { connectChain, type Chain, type Finality } from '../../src/chain/index.ts';
import { storagePrefix } from '../../src/chain/storage/storage-key.ts';
import { toHex, Writer, type Hex } from '../../src/codec/index.ts';
import { watchWorkerState, type WorkerEntry, type WorkerStateWatch } from '../../src/worker-state/index.ts';
import { openWallet, type Wallet } from '../chain/support.ts';
import { startRpcProxy, type Alter, type Fault, type Passing, type RpcProxy } from '../support/rpc-proxy.ts';
import { until } from '../support/until.ts';
import { compareWithTruth, readTruth } from './chain-truth.ts';
import type { Dice } from './dice.ts';
import { Laggard } from './laggard.ts';
import { liesBy } from './lies.ts';
import { Mirror } from './mirror.ts';
import { Population, type ChainCall } from './population.ts';

const artifacts = new URL('../../runtime/artifacts/', import.meta.url);
const lastUpgradeKey = storagePrefix('System', 'LastRuntimeUpgrade');
/** Calls in one extrinsic, at most. */
const maxBatch = 150;
/** Registrations in one more, at most. */
const maxJoins = 120;

/** Blocks after which what hints missed is found: what root does to storage has no hint. */
export const reconcileBlocks = 5;

/** The chain that is disturbed. */
export interface World {
  /** The node itself, on a way that no fault is on. It may move. */
  readonly ws: () => string;
  /** Ways to it that faults are on. */
  readonly proxies: readonly RpcProxy[];
  /**
   * Things that happen to the node itself, or to all ways to it, by name; each resolves when it can be posted to again.
   */
  readonly mishaps: Readonly<Record<string, (ways: readonly RpcProxy[]) => Promise<unknown>>>;
  /**
   * Called when all faults are over: finalizes {@link reconcileBlocks} more than all that was posted, and brings the chain
   * to a standstill.
   */
  readonly settle: () => Promise<unknown>;
}

export interface RunOptions {
  readonly dice: Dice;
  readonly steps: number;
}

export interface RunResult {
  readonly workers: number;
  /** Calls by kind. */
  readonly calls: Readonly<Record<string, number>>;
  /** What happened to the node. */
  readonly mishaps: Readonly<Record<string, number>>;
  readonly changes: Readonly<Record<string, number>>;
  readonly faults: Readonly<Record<string, number>>;
  /** Lies for which a node was named and left, by follower. */
  readonly named: Readonly<Record<string, readonly string[]>>;
  /** Changes that hints missed and a reconcile found, by follower: root's writes to storage, above all. */
  readonly missed: Readonly<Record<string, number>>;
}

interface Follower {
  readonly name: string;
  readonly chain: Chain;
  readonly watch: WorkerStateWatch;
  readonly mirror: Mirror;
  /** Nodes that were left, by URL. */
  readonly left: ReadonlySet<string>;
  readonly liars: readonly Liar[];
}

/** A way on which one kind of lie is told once its follower has connected. */
interface Liar {
  readonly lie: string;
  readonly proxy: RpcProxy;
}

interface Kind {
  readonly finality: Finality;
  readonly verify: boolean | undefined;
}

const kinds: readonly Kind[] = [
  { finality: 'finalized', verify: true },
  { finality: 'finalized', verify: false },
  { finality: 'finalized', verify: undefined },
  { finality: 'best', verify: true },
  { finality: 'best', verify: false },
];

/** Lies that proofs alone tell, whoever is trusted for headers. */
const aboutProofs = new Set(['alters proofs', 'leaves parts of proofs out', 'leaves keys out', 'invents keys']);

/**
 * Registrations, endpoint changes, root calls, two runtime upgrades, reorgs, faults, nodes that are behind and nodes that
 * lie, while several watches follow; at the end each must show what the chain holds at the same hash, as must its replayed
 * changes, and none may have taken an honest node for a liar.
 */
export async function runAgainstTruth(world: World, { dice, steps }: RunOptions): Promise<RunResult> {
  await using posting = new Posting(world);
  const genesisHash = (await posting.wallet()).api.genesisHash.toHex();
  const population = new Population(dice, genesisHash);
  const followers: Follower[] = [];
  const laggards = world.proxies.map((proxy) => new Laggard(proxy));
  const ways = (): RpcProxy[] => [
    ...world.proxies,
    ...followers.flatMap(({ liars }) => liars.map(({ proxy }) => proxy)),
  ];
  const lag = async (): Promise<void> => {
    const frozen = laggards.find(({ isFrozen }) => isFrozen);
    await (frozen === undefined ? dice.pick(laggards).freeze() : frozen.thaw());
  };
  const { mishaps: others } = world;
  const deeds: World['mishaps'] = { 'nodes behind': lag, ...others, 'nodes behind or not any more': lag };
  try {
    const hands = dealLies(dice);
    for (const kind of kinds) followers.push(await follow(world, kind, hands(kind)));
    for (const proxy of world.proxies) proxy.fault = faultsBy(dice);
    const [legacyAt, currentAt] = [Math.floor(steps / 3), Math.floor((2 * steps) / 3)];
    const names = Object.keys(deeds);
    const dueAt = names.map((_, i) => Math.floor(((i + 0.5) * steps) / names.length));
    const mishaps: Record<string, number> = {};
    for (let step = 0; step < steps; step++) {
      for (const follower of followers) check(world, follower);
      if (step === legacyAt) await posting.root((wallet) => upgradeToLegacy(wallet));
      if (step === currentAt) await posting.root((wallet) => upgradeToCurrent(wallet));
      // Each of them at least once.
      const mishap = names[dueAt.indexOf(step)] ?? (dice.chance(0.2) ? dice.pick(names) : undefined);
      if (mishap !== undefined) {
        mishaps[mishap] = (mishaps[mishap] ?? 0) + 1;
        await deeds[mishap]?.(ways());
      }
      const wallet = await posting.wallet();
      const batch = population.calls(wallet.api, 1 + dice.below(maxBatch), await chainTime(wallet));
      const isMixed = dice.chance(0.5);
      await posting.post(isMixed ? [...batch, ...asRoot(wallet.api, population.rootCalls(wallet.api))] : batch);
      await posting.post(population.joins(wallet.api, 1 + dice.below(maxJoins)));
      if (dice.chance(0.2)) await posting.root(({ api }) => Promise.resolve(population.rootCalls(api)));
    }
    for (const proxy of world.proxies) proxy.fault = () => undefined;
    for (const laggard of laggards) await laggard.thaw();
    await posting.post(population.calls((await posting.wallet()).api, 5, await chainTime(await posting.wallet())));
    await world.settle();
    for (const follower of followers) await compare(world, follower);
    const faults: Record<string, number> = {};
    for (const { made } of world.proxies) for (const [kind, count] of made) faults[kind] = (faults[kind] ?? 0) + count;
    return {
      workers: population.size,
      calls: population.made,
      mishaps,
      changes: Object.fromEntries(followers.map(({ name, mirror }) => [name, mirror.changes])),
      faults,
      named: Object.fromEntries(followers.map((follower) => [follower.name, namedLies(follower)])),
      missed: Object.fromEntries(followers.map(({ name, watch }) => [name, watch.stats.missed])),
    };
  } finally {
    for (const laggard of laggards) await laggard.thaw();
    for (const { mirror, watch, chain, liars } of followers) {
      mirror[Symbol.dispose]();
      await watch.stop();
      await chain.stop();
      for (const { proxy } of liars) await proxy[Symbol.asyncDispose]();
    }
  }
}

/** Each kind of lie goes to one of those who verify, or to whoever reads by proofs too, where these tell. */
function dealLies(dice: Dice): (kind: Kind) => Readonly<Record<string, Alter>> {
  const lies = Object.entries(liesBy(dice));
  const shuffled = dice.shuffle(lies);
  const half = shuffled.length >> 1;
  return ({ finality, verify }) => {
    if (verify === false) return {};
    if (verify === undefined) return Object.fromEntries(lies.filter(([name]) => aboutProofs.has(name)));
    return Object.fromEntries(finality === 'finalized' ? shuffled.slice(0, half) : shuffled.slice(half));
  };
}

async function follow(
  { ws, proxies }: World,
  { finality, verify }: Kind,
  lies: Readonly<Record<string, Alter>>,
): Promise<Follower> {
  const liars: Liar[] = [];
  for (const lie of Object.keys(lies)) liars.push({ lie, proxy: await startRpcProxy(ws()) });
  const left = new Set<string>();
  const chain = await connectChain({
    endpoints: [...liars.map(({ proxy }) => proxy), ...proxies].map((proxy) => proxy.ws),
    silenceMs: 700,
    backoff: { minMs: 20, maxMs: 300 },
    logger: {
      debug: () => undefined,
      warn: (facts, text) => {
        if (text.includes('lies')) left.add(urlIn(facts));
      },
    },
  });
  for (const { lie, proxy } of liars) proxy.alter = lies[lie] ?? proxy.alter;
  const options = { finality, reconcile: { everyBlocks: reconcileBlocks } };
  const watch = watchWorkerState(chain, verify === undefined ? options : { ...options, verify });
  await watch.ready;
  const name = `${finality} by ${watch.stats.strategy}${verify === undefined ? ' of one node' : ''}`;
  return { name, chain, watch, mirror: new Mirror(name, watch), left, liars };
}

function urlIn(facts: object): string {
  return 'url' in facts ? String(facts.url) : '';
}

/** Throws where its changes do not fit, or an honest node was taken for a liar. */
function check({ proxies }: World, { name, mirror, left }: Follower): void {
  mirror.check();
  const honest = proxies.find(({ ws }) => left.has(ws));
  if (honest !== undefined) throw new Error(`${name}: an honest node was left`);
}

function namedLies({ liars, left }: Follower): readonly string[] {
  return liars.filter(({ proxy }) => left.has(proxy.ws)).map(({ lie }) => lie);
}

async function compare(world: World, follower: Follower): Promise<void> {
  const { name, watch, mirror, chain } = follower;
  const target = await finalizedNumber(world);
  await until(() => {
    check(world, follower);
    return watch.state.at.block >= target;
  });
  mirror.compareWith(watch);
  const { hash } = watch.state.at;
  const shown = new Map<Hex, WorkerEntry>(watch.state);
  compareWithTruth(name, shown, await readTruth(world.ws(), hash));
  await using fresh = watchWorkerState(chain, { verify: watch.stats.strategy === 'proofs' });
  await fresh.ready;
  compareWithTruth(`${name}, fresh`, new Map(fresh.state), await readTruth(world.ws(), fresh.state.at.hash));
}

async function finalizedNumber({ ws }: World): Promise<number> {
  await using wallet = await openWallet(ws());
  const { chain } = wallet.api.rpc;
  return (await chain.getHeader(await chain.getFinalizedHead())).number.toNumber();
}

async function chainTime({ api }: Wallet): Promise<bigint> {
  return (await api.query.timestamp.now()).toBigInt();
}

/** Posts on the undisturbed way, again where the node went away under it. */
class Posting implements AsyncDisposable {
  readonly #world: World;
  #open: { readonly ws: string; readonly wallet: Wallet } | undefined;

  constructor(world: World) {
    this.#world = world;
  }

  /** A client that knows the present runtime. */
  async wallet(): Promise<Wallet> {
    const ws = this.#world.ws();
    if (this.#open?.ws === ws && this.#open.wallet.api.isConnected) return this.#open.wallet;
    await this[Symbol.asyncDispose]();
    this.#open = { ws, wallet: await openWallet(ws) };
    return this.#open.wallet;
  }

  async post(calls: readonly ChainCall[]): Promise<void> {
    const wallet = await this.wallet();
    const { tx } = wallet.api;
    await wallet.post(tx.utility.forceBatch([...calls]), wallet.alice);
  }

  /** As root; afterwards the runtime may be another. */
  async root(make: (wallet: Wallet) => Promise<readonly ChainCall[]>): Promise<void> {
    const wallet = await this.wallet();
    const calls = await make(wallet);
    const [call] = asRoot(wallet.api, calls);
    if (call === undefined) return;
    await wallet.post(call, wallet.alice);
    if (calls.some(({ method }) => method.section === 'system')) await this[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#open?.wallet[Symbol.asyncDispose]();
    this.#open = undefined;
  }
}

/** One call of Alice, whatever they weigh; none for none. */
function asRoot({ tx }: Wallet['api'], calls: readonly ChainCall[]): ChainCall[] {
  if (calls.length === 0) return [];
  return [tx.sudo.sudoUncheckedWeight(tx.utility.batchAll([...calls]), { refTime: 0, proofSize: 0 })];
}

async function upgradeToLegacy({ api }: Wallet): Promise<ChainCall[]> {
  return [api.tx.system.setCode(toHex(await readFile(new URL('khala-dev-legacy.wasm', artifacts))))];
}

/**
 * Back to the layout with the attestation provider. Its version is the lower one, which no upgrade may have: so the check
 * is left out, and the name that is noted for the last upgrade is made another, which makes the runtime migrate.
 */
async function upgradeToCurrent({ api }: Wallet): Promise<ChainCall[]> {
  const version = api.runtimeVersion.specVersion.toNumber();
  const noted = new Writer().compactLength(version).bytes(new TextEncoder().encode('khala-older')).finish();
  return [
    api.tx.system.setStorage([[lastUpgradeKey, toHex(noted)]]),
    api.tx.system.setCodeWithoutChecks(toHex(await readFile(new URL('khala-dev.wasm', artifacts)))),
  ];
}

/** Rare enough that something gets through. */
function faultsBy(dice: Dice): (message: Passing) => Fault | undefined {
  return ({ isNotification }) => {
    const fate = dice.next();
    if (fate < 0.004) return { kind: 'cut' };
    if (fate < 0.006) return { kind: 'truncate' };
    if (fate < 0.05) return { kind: 'delay', ms: dice.below(60) };
    if (fate < 0.07) return { kind: 'reorder' };
    if (isNotification) return fate < 0.09 ? { kind: 'swallow' } : undefined;
    if (fate < 0.08) return { kind: 'error', code: -32603, message: 'Internal error' };
    if (fate < 0.085) return { kind: 'error', code: -32009, message: 'Server is busy, try again later' };
    return undefined;
  };
}

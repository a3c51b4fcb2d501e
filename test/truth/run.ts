import { readFile } from 'node:fs/promises';
import { connectChain, type Finality, type NodeFault } from '../../src/chain/index.ts';
import { storagePrefix } from '../../src/chain/storage/storage-key.ts';
import { toHex, Writer, type Hex } from '../../src/codec/index.ts';
import {
  watchWorkerState,
  type WatchStats,
  type WorkerEntry,
  type WorkerStateWatch,
} from '../../src/worker-state/index.ts';
import { openWallet, type Wallet } from '../chain/support.ts';
import type { Alter, Fault, Passing, RpcProxy } from '../support/rpc-proxy.ts';
import { until } from '../support/until.ts';
import { compareWithTruth, readTruth, type Compared } from './chain-truth.ts';
import type { Dice } from './dice.ts';
import { Laggard } from './laggard.ts';
import { beginToLie, startLiars, useLiars, type Deceived } from './liars.ts';
import { byNumber, hideHints, liesBy } from './lies.ts';
import { Mirror } from './mirror.ts';
import { Population, type ChainCall } from './population.ts';
import { asRoot, Posting } from './posting.ts';

const artifacts = new URL('../../runtime/artifacts/', import.meta.url);
const lastUpgradeKey = storagePrefix('System', 'LastRuntimeUpgrade');
/** Calls in one extrinsic, at most. */
const maxBatch = 150;
/** Registrations in one more, at least and at most. */
const [minJoins, maxJoins] = [50, 100];
/** Until a watch has come to the end of a chain that stands still and that no fault is on any more, ms. */
const settledMs = 180_000;
/** Lines of a log that tell how one came to stand still. */
const keptLines = 60;

/** Blocks after which what hints missed is found: what root does to storage has no hint. */
export const reconcileBlocks = 5;

/** The mishap that takes back what watches showed. */
export const seenReorgs = 'reorgs that watches saw';

/** The chain that is disturbed. */
export interface World {
  /** The node itself, on a way that no fault is on. It may move. */
  readonly ws: () => string;
  /** Ways to it that faults are on. */
  readonly proxies: readonly RpcProxy[];
  /**
   * Things that happen to the node itself, or to all ways to it, by name; each resolves when it can be posted to again.
   */
  readonly mishaps: Readonly<Record<string, (run: Disturbed) => Promise<unknown>>>;
  /**
   * Called when all faults are over: finalizes {@link reconcileBlocks} more than all that was posted, and brings the chain
   * to a standstill.
   */
  readonly settle: () => Promise<unknown>;
}

/** What a mishap is told of the run, and may ask of it. */
export interface Disturbed {
  /** All ways to the node. */
  readonly ways: readonly RpcProxy[];
  /** Posts registrations: its block changes what watches show. */
  readonly join: () => Promise<void>;
  /** Resolves once all watches with best show that block; no node is behind any more meanwhile. */
  readonly untilBestShow: (hash: Hex) => Promise<void>;
  /** Changes that reorgs took from watches so far. */
  readonly takenBack: () => number;
}

export interface RunOptions {
  readonly dice: Dice;
  readonly steps: number;
}

export interface RunResult {
  readonly workers: number;
  /** Calls by kind. */
  readonly calls: Readonly<Record<string, number>>;
  /** What happened to the node or the ways to it, of all that could. */
  readonly mishaps: Readonly<Record<string, number>>;
  /** How often the chain ran a call that was nested in such a one. */
  readonly ran: Readonly<Record<string, number>>;
  /** Of the calls in batches, the share that came to nothing. */
  readonly failedShare: number;
  /** Spec versions of the runtime: at the start, and after each upgrade. */
  readonly specVersions: readonly number[];
  /** Faults on the ways, and refusals by their code. */
  readonly faults: Readonly<Record<string, number>>;
  readonly followers: readonly Followed[];
}

/** What became of one watch. */
export interface Followed {
  readonly name: string;
  readonly strategy: WatchStats['strategy'];
  readonly changes: number;
  /** Of them, those that came at a lower block than one before: a reorg took what they tell. */
  readonly takenBack: number;
  readonly invalidRecords: number;
  /** Blocks whose state was gone before it could be read. */
  readonly passedOver: number;
  /** Changes that hints missed and a reconcile found: root's writes to storage, above all. */
  readonly missed: number;
  /** What was there to be compared, at the end. */
  readonly compared: Compared;
  readonly liars: readonly {
    readonly lie: string;
    readonly url: string;
    /** How often something else was said than the node did. */
    readonly told: number;
    /** What the chain connection says of it. */
    readonly fault: NodeFault | undefined;
  }[];
}

interface Follower extends Deceived {
  readonly name: string;
  readonly finality: Finality;
  readonly watch: WorkerStateWatch;
  readonly mirror: Mirror;
  /** The last lines of its log. */
  readonly log: readonly string[];
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
  await using posting = new Posting(world.ws);
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
  const postSome = async (): Promise<void> =>
    posting.post(population.calls((await posting.wallet()).api, 5, await posting.time()));
  const join = async (): Promise<void> => {
    // A reorg may have taken the block that its client signs by.
    await posting.close();
    await posting.post(population.joins((await posting.wallet()).api, minJoins));
  };
  const takenBack = (): number => followers.reduce((sum, { mirror }) => sum + mirror.takenBack, 0);
  const untilBestShow = async (hash: Hex): Promise<void> => {
    for (const laggard of laggards) await laggard.thaw();
    for (const follower of followers)
      if (follower.finality === 'best') await stands(world, follower, (at) => at.hash === hash);
  };
  const deeds: World['mishaps'] = {
    'nodes behind': lag,
    ...world.mishaps,
    'liars alone': () => useLiars(followers, world.proxies, postSome),
    'nodes behind or not any more': lag,
  };
  try {
    const hands = dealLies(dice);
    for (const kind of kinds) followers.push(await follow(world, kind, hands(kind)));
    for (const proxy of world.proxies) proxy.fault = faultsBy(dice);
    const [legacyAt, currentAt] = [Math.floor(steps / 3), Math.floor((2 * steps) / 3)];
    const names = Object.keys(deeds);
    const dueAt = names.map((_, i) => Math.floor(((i + 0.5) * steps) / names.length));
    const mishaps: Record<string, number> = Object.fromEntries(names.map((name) => [name, 0]));
    const specVersions = [await posting.specVersion()];
    for (let step = 0; step < steps; step++) {
      for (const follower of followers) check(world, follower);
      if (step === legacyAt) await posting.root((wallet) => upgradeToLegacy(wallet));
      if (step === currentAt) await posting.root((wallet) => upgradeToCurrent(wallet));
      if (step === legacyAt || step === currentAt) specVersions.push(await posting.specVersion());
      // Each of them at least once.
      const mishap = names[dueAt.indexOf(step)] ?? (dice.chance(0.2) ? dice.pick(names) : undefined);
      if (mishap !== undefined) {
        mishaps[mishap] = (mishaps[mishap] ?? 0) + 1;
        await deeds[mishap]?.({ ways: ways(), join, untilBestShow, takenBack });
        // A reorg may have taken the runtime that its client knows.
        await posting.close();
      }
      await posting.setUp();
      const wallet = await posting.wallet();
      const batch = population.calls(wallet.api, 1 + dice.below(maxBatch), await posting.time());
      const isMixed = dice.chance(0.5);
      await posting.post(isMixed ? [...batch, ...asRoot(wallet.api, population.rootCalls(wallet.api))] : batch);
      if (step % 4 === 0) await posting.together(population.shared(wallet.api, await posting.time()));
      await posting.post(population.joins(wallet.api, minJoins + dice.below(maxJoins - minJoins + 1)));
      if (dice.chance(0.2)) await posting.root(({ api }) => Promise.resolve(population.rootCalls(api)));
    }
    for (const proxy of world.proxies) proxy.fault = () => undefined;
    for (const laggard of laggards) await laggard.thaw();
    await postSome();
    await world.settle();
    const followed: Followed[] = [];
    for (const follower of followers) followed.push(outcome(follower, await compare(world, follower)));
    const faults: Record<string, number> = {};
    for (const { made, errors } of world.proxies)
      for (const [kind, count] of [...made, ...errors]) faults[kind] = (faults[kind] ?? 0) + count;
    return {
      workers: population.size,
      calls: population.made,
      mishaps,
      ran: Object.fromEntries(posting.ran),
      failedShare: posting.failed / (posting.failed + (posting.ran.get('in a batch') ?? 0)),
      specVersions,
      faults,
      followers: followed,
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

/** Of the watches by hints this one's first way hides them, so that only the reconcile finds what changed. */
const withoutHints: Finality = 'finalized';
export const hidesHints = 'hides events and bodies';

/** Each kind of lie goes to one of those who verify, or to whoever reads by proofs too, where these tell. */
function dealLies(dice: Dice): (kind: Kind) => Readonly<Record<string, Alter>> {
  const lies = Object.entries(liesBy(dice));
  const isByNumber = ([name]: (typeof lies)[number]): boolean => name === byNumber;
  const shuffled = dice.shuffle(lies).sort((a, b) => Number(isByNumber(b)) - Number(isByNumber(a)));
  const half = shuffled.length >> 1;
  return ({ finality, verify }) => {
    if (verify === false) return finality === withoutHints ? { [hidesHints]: hideHints() } : {};
    if (verify === undefined) return Object.fromEntries(lies.filter(([name]) => aboutProofs.has(name)));
    return Object.fromEntries(finality === 'finalized' ? shuffled.slice(0, half) : shuffled.slice(half));
  };
}

async function follow(
  { ws, proxies }: World,
  { finality, verify }: Kind,
  lies: Readonly<Record<string, Alter>>,
): Promise<Follower> {
  const liars = await startLiars(ws(), lies);
  const log: string[] = [];
  const note = (facts: object, text: string): void => {
    log.push(`${text} ${JSON.stringify(facts)}`);
    if (log.length > keptLines) log.shift();
  };
  const chain = await connectChain({
    logger: { debug: note, warn: note },
    endpoints: [...liars.map(({ proxy }) => proxy), ...proxies].map((proxy) => proxy.ws),
    silenceMs: 700,
    backoff: { minMs: 20, maxMs: 300 },
  });
  beginToLie(liars, lies);
  const options = { finality, reconcile: { everyBlocks: reconcileBlocks }, logger: { debug: note, warn: note } };
  const watch = watchWorkerState(chain, verify === undefined ? options : { ...options, verify });
  await watch.ready;
  const name = `${finality} by ${watch.stats.strategy}${verify === undefined ? ' of one node' : ''}`;
  return { name, finality, chain, verify, watch, mirror: new Mirror(name, watch), liars, log };
}

/** Throws where its changes do not fit, or an honest node was taken for a liar. */
function check({ proxies }: World, { name, mirror, chain }: Follower): void {
  mirror.check();
  const fault = chain.nodeFaults.find(({ url, isLeft }) => isLeft && proxies.some(({ ws }) => ws === url));
  if (fault !== undefined) throw new Error(`${name}: an honest node was left`, { cause: fault.error });
}

function outcome({ name, watch, mirror, chain, liars }: Follower, compared: Compared): Followed {
  const { strategy, missed, passedOver } = watch.stats;
  return {
    name,
    strategy,
    changes: mirror.changes,
    takenBack: mirror.takenBack,
    passedOver,
    invalidRecords: mirror.invalidRecords,
    missed,
    compared,
    liars: liars.map(({ lie, proxy, told }) => {
      const fault = chain.nodeFaults.find(({ url }) => url === proxy.ws);
      return { lie, url: proxy.ws, told, fault };
    }),
  };
}

/** What there was to be compared with a fresh look: the watch itself may know epochs that the chain shows no more. */
async function compare(world: World, follower: Follower): Promise<Compared> {
  const { name, watch, mirror, chain } = follower;
  const target = await finalizedNumber(world);
  await stands(world, follower, ({ block }) => block >= target);
  mirror.compareWith(watch);
  const { hash } = watch.state.at;
  const shown = new Map<Hex, WorkerEntry>(watch.state);
  compareWithTruth(name, shown, await readTruth(world.ws(), hash));
  await using fresh = watchWorkerState(chain, { verify: watch.stats.strategy === 'proofs' });
  await fresh.ready;
  return compareWithTruth(`${name}, fresh`, new Map(fresh.state), await readTruth(world.ws(), fresh.state.at.hash));
}

/** Until the watch shows such a block. */
async function stands(
  world: World,
  follower: Follower,
  isThere: (at: WorkerStateWatch['state']['at']) => boolean,
): Promise<void> {
  const { name, watch, log } = follower;
  const deadline = Date.now() + settledMs;
  await until(() => {
    check(world, follower);
    const { at } = watch.state;
    if (Date.now() > deadline) throw new Error(`${name} stands at block ${at.block}, ${at.hash}:\n${log.join('\n')}`);
    return isThere(at);
  });
}

async function finalizedNumber({ ws }: World): Promise<number> {
  await using wallet = await openWallet(ws());
  const { chain } = wallet.api.rpc;
  return (await chain.getHeader(await chain.getFinalizedHead())).number.toNumber();
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

/** How nodes and what stands before them refuse: as failed, as busy, and in words of their own. */
export const refusals = [
  { code: -32603, message: 'Internal error' },
  { code: -32009, message: 'Server is busy, try again later' },
  { code: -32602, message: 'Invalid params' },
  { code: 4_290, message: 'Rate limit reached' },
  { code: -32000, message: 'upstream is not available at the moment' },
] as const;

/** Kinds of what happens on the ways to nodes. */
export const faultKinds: readonly Fault['kind'][] = ['cut', 'truncate', 'delay', 'reorder', 'swallow', 'error'];

/** Rare enough that something gets through; each kind a few times at the beginning, so that all of them are there. */
function faultsBy(dice: Dice): (message: Passing) => Fault | undefined {
  const error = (refusal: (typeof refusals)[number]): Fault => ({ kind: 'error', ...refusal });
  const owed: Fault[] = [
    { kind: 'cut' },
    { kind: 'truncate' },
    { kind: 'delay', ms: 30 },
    { kind: 'reorder' },
    { kind: 'swallow' },
    ...refusals.map(error),
  ];
  return ({ isNotification }) => {
    const fate = dice.next();
    if (owed.length > 0 && fate > 0.9) {
      const due = owed.findIndex(({ kind }) => (isNotification ? kind !== 'error' : kind !== 'swallow'));
      return owed.splice(due, due === -1 ? 0 : 1)[0];
    }
    if (fate < 0.004) return { kind: 'cut' };
    if (fate < 0.007) return { kind: 'truncate' };
    if (fate < 0.05) return { kind: 'delay', ms: dice.below(60) };
    if (fate < 0.07) return { kind: 'reorder' };
    if (isNotification) return fate < 0.09 ? { kind: 'swallow' } : undefined;
    return fate < 0.09 ? error(dice.pick(refusals)) : undefined;
  };
}

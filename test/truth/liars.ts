import type { Chain } from '../../src/chain/index.ts';
import { watchWorkerState } from '../../src/worker-state/index.ts';
import { startRpcProxy, type Alter, type RpcProxy } from '../support/rpc-proxy.ts';
import { until } from '../support/until.ts';
import { caught } from './lies.ts';

/** Times that a liar is made the one in use, until it has lied and was found out; one that is not by then never will be. */
const maxTurns = 12;
/** Extrinsics that a watch misses before it is there again: of more than one finalized block it has to ask by number. */
const missed = 3;
/** Extrinsics while it reads from a liar. */
const seen = 3;
/** Until what a liar did while it was in use is found out, or it does not matter any more, ms. */
const findMs = 10_000;

/** A way on which one kind of lie is told once its follower has connected. */
export interface Liar {
  readonly lie: string;
  readonly proxy: RpcProxy;
  told: number;
}

/** Who reads from liars too. */
export interface Deceived {
  readonly chain: Chain;
  /** How it wants to have values proven. */
  readonly verify: boolean | undefined;
  readonly liars: readonly Liar[];
}

/** They lie when they are told to: until then they are honest ways to a node. */
export async function startLiars(node: string, lies: Readonly<Record<string, Alter>>): Promise<readonly Liar[]> {
  const liars: Liar[] = [];
  for (const lie of Object.keys(lies)) liars.push({ lie, proxy: await startRpcProxy(node), told: 0 });
  return liars;
}

export function beginToLie(liars: readonly Liar[], lies: Readonly<Record<string, Alter>>): void {
  for (const liar of liars) {
    const { [liar.lie]: alter } = lies;
    liar.proxy.alter = (method, params, result) => {
      const said = alter === undefined ? result : alter(method, params, result);
      if (said !== result) liar.told += 1;
      return said;
    };
  }
}

/**
 * Makes each liar that has not lied yet, or was not found out where it can be, the one that its follower uses: the only way
 * that is open when that one comes back from having missed some blocks, and one of all while others follow, and while
 * everything is read anew. `honest`: the other ways. `happen` posts something.
 */
export async function useLiars(
  followers: readonly Deceived[],
  honest: readonly RpcProxy[],
  happen: () => Promise<unknown>,
): Promise<void> {
  const ways = [...honest, ...followers.flatMap(({ liars }) => liars.map(({ proxy }) => proxy))];
  const turns = new Map<Liar, number>();
  for (;;) {
    const due: Turn[] = [];
    for (const follower of followers) {
      const owed = follower.liars.filter((liar) => isOwed({ follower, liar }) && (turns.get(liar) ?? 0) < maxTurns);
      const [liar] = owed.sort((a, b) => (turns.get(a) ?? 0) - (turns.get(b) ?? 0));
      if (liar === undefined) continue;
      turns.set(liar, (turns.get(liar) ?? 0) + 1);
      due.push({ follower, liar });
    }
    if (due.length === 0) return;
    await takeTurns(due, ways, happen);
  }
}

interface Turn {
  readonly follower: Deceived;
  readonly liar: Liar;
}

async function takeTurns(
  turns: readonly Turn[],
  ways: readonly RpcProxy[],
  happen: () => Promise<unknown>,
): Promise<void> {
  for (const way of ways) {
    way.isClosed = true;
    way.cut();
  }
  for (let i = 0; i < missed; i++) await happen();
  const before = new Map(turns.map(({ liar }) => [liar, subscriptions(liar)]));
  for (const { liar } of turns) liar.proxy.isClosed = false;
  await until(() => turns.every((turn) => hasLeft(turn) || subscriptions(turn.liar) > (before.get(turn.liar) ?? 0)));
  for (const way of ways) way.isClosed = false;
  const looks = Promise.all(turns.map(({ follower }) => lookAnew(follower)));
  for (let i = 0; i < seen; i++) await happen();
  await looks;
  const deadline = Date.now() + findMs;
  await until(() => Date.now() > deadline || !turns.some(isOwed));
}

function isOwed(turn: Turn): boolean {
  return caught.has(turn.liar.lie) ? !hasLeft(turn) : turn.liar.told === 0;
}

function hasLeft({ follower, liar }: Turn): boolean {
  return follower.chain.nodeFaults.some(({ url, isLeft }) => isLeft && url === liar.proxy.ws);
}

/** How often it was asked to tell of heads: only the one in use is. */
function subscriptions({ proxy: { asked } }: Liar): number {
  return (asked.get('chain_subscribeFinalizedHeads') ?? 0) + (asked.get('chain_subscribeNewHeads') ?? 0);
}

async function lookAnew({ chain, verify }: Deceived): Promise<void> {
  await using watch = watchWorkerState(chain, verify === undefined ? {} : { verify });
  await watch.ready;
}

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { toHex } from '../../src/codec/index.ts';
import { accountFromSuri, connectChain } from '../../src/index.ts';
import { temporaryFolder } from '../support/entities.ts';
import { Attacker } from './attacker.ts';
import { Absences } from './absences.ts';
import { assemble, type Cast, type Roles } from './cast.ts';
import { injections, type Injection } from './injections.ts';
import type { NodeUnderTest } from './node-under-test.ts';
import type { Player, Told } from './player.ts';
import { Random } from './random.ts';
import { Rpc } from './rpc.ts';
import type { Copy } from './postings.ts';
import { Stage } from './stage.ts';
import { Truth } from './truth.ts';
import { provesTooLittle } from './evidence-of-work.ts';
import { endAll, evidenceOf, settle, verdictOn, type FullVerdict } from './settle.ts';

export interface SoakOptions {
  readonly node: NodeUnderTest;
  readonly seed: number;
  readonly roles: Roles;
  /** Asked after each round; in a round every kind of injection comes once. */
  readonly isOver: (rounds: number) => boolean;
  /** The senders talk until so many messages are in finalized blocks, at least. Default: until the last round is over. */
  readonly leastMessages?: number;
  /** Words of injections to leave out. */
  readonly without?: readonly string[];
  /** Words of those to make. Default: all. */
  readonly only?: readonly string[];
  readonly log?: (line: string) => void;
}

export interface SoakResult extends FullVerdict {
  /** How often each kind of injection was done. */
  readonly injected: ReadonlyMap<string, number>;
  readonly rounds: number;
  readonly blocks: number;
  /** How often processes ended since the node was away for too long, and were started again. */
  readonly restarts: number;
}

/** Injections that go on at the same time. */
const lanes = 2;
const mostBurst = 8;
const smallBytes = 64;
const largeBytes = 16_384;
/** One message in so many is large. */
const largeEach = 20;
/** With one burst in so many goes a command in Phala's form. */
const commandEach = 3;
const lookAgainMs = 200;
/** In a round, of an injection that finds no occasion: so many at least … */
const fewestTurns = 5;
/** … and others until so many messages more are in blocks than at the first. */
const occasionMessages = 150;
/** What a process may end with and be started again, as its supervisor would: the node was away for too long, by the run's doing. */
const restartable: ReadonlySet<string> = new Set(['chain-unreachable']);

/** Plays a run and judges it. Its choices follow from the seed; how they fall together in time does not. */
export async function soak({
  node,
  seed,
  roles,
  isOver,
  leastMessages = 0,
  without = [],
  only = [''],
  log = () => undefined,
}: SoakOptions): Promise<SoakResult> {
  const ended = new AbortController();
  const folder = await temporaryFolder();
  const chain = await connectChain({ endpoints: [node.ws], timeoutMs: 60_000 });
  const broken: string[] = [];
  const absences = new Absences();
  let restarts = 0;
  let isKept = false;
  const among = injections.filter(
    ({ name }) => only.some((words) => name.includes(words)) && !without.some((words) => name.includes(words)),
  );
  try {
    const onTold = (player: Player, told: Told): void => {
      const said = `${player.config.name}: ${told.event} ${told.code ?? ''} ${told.reason ?? ''}`;
      // A message is queued whatever becomes of the node.
      if (told.event === 'refused') broken.push(said);
      if (told.event === 'failed') {
        if (restartable.has(told.code ?? '') && absences.excuse(player)) restarts++;
        else broken.push(said);
        void player.ended.then(() => player.start());
      }
      if (told.code !== undefined) log(said);
    };
    const rpc = new Rpc(node.ws, ended.signal);
    const truth = new Truth(rpc, (await chain.finalizedHead()).number);
    const silence = new AbortController();
    // From the very beginning: it can take the players longer to get ready than the node remembers.
    const watching = watch(truth, silence.signal);
    watching.catch(() => undefined); // told where it is awaited
    await using cast = await assemble(roles, { node, chain, folder: folder.path, onTold });
    const random = new Random(seed);
    const attacker = new Attacker({ chain, eve: accountFromSuri('//Eve'), rpc, random: new Random(seed + 1) });
    const stage = new Stage({
      ...{ ...cast, node, rpc, truth, attacker, random, absences },
      accountSender: cast.accountSenders[0],
    });
    await Promise.all(stage.players.map(({ ready }) => ready));
    const injected = new Map<string, number>();
    const talking = talk(cast, new Random(seed + 2), silence.signal);
    let rounds = 0;
    do {
      await round(stage, among, injected, log);
      rounds++;
    } while (!isOver(rounds));
    await stage.posted(leastMessages);
    silence.abort();
    await Promise.all([talking, watching]);
    await settle(stage, cast, log);
    broken.push(...(await endAll(stage)));
    const evidence = evidenceOf(stage, cast);
    const verdict = verdictOn(evidence);
    broken.push(...provesTooLittle(evidence, verdict, injected));
    isKept = broken.length + verdict.broken.length > 0;
    if (isKept) await keep(folder.path, stage, log);
    return { ...verdict, broken: [...broken, ...verdict.broken], injected, rounds, blocks: truth.block, restarts };
  } finally {
    ended.abort();
    await chain.stop();
    if (!isKept) await folder.remove();
  }
}

/** What was broken can be looked into: ledgers and stores stay, with what the blocks had. */
async function keep(folder: string, { truth, copies }: Stage, log: (line: string) => void): Promise<void> {
  const lineOf = ({ payload, nonce, ...rest }: Copy): string =>
    JSON.stringify({ ...rest, nonce: String(nonce), payload: toHex(payload) });
  await writeFile(join(folder, 'posted'), truth.posted.map(lineOf).join('\n'));
  await writeFile(join(folder, 'copies'), copies.map(lineOf).join('\n'));
  log(`kept for a look: ${folder}`);
}

/** An injection that is to be made. */
interface Turn {
  readonly injection: Injection;
  readonly turn: number;
  /** How many messages were in blocks when it was first tried; undefined where it was not. */
  readonly since?: number;
}

/** Every injection once, in an order by the seed, some at a time. One without an occasion waits for another turn. */
async function round(
  stage: Stage,
  among: readonly Injection[],
  injected: Map<string, number>,
  log: (line: string) => void,
): Promise<void> {
  const possible = among.filter(({ isPossible }) => isPossible(stage));
  const left = stage.random.shuffled(possible).map((injection): Turn => ({ injection, turn: 1 }));
  const lane = async (): Promise<void> => {
    for (let next = left.shift(); next !== undefined; next = left.shift()) {
      const { injection, turn, since = stage.truth.posted.length } = next;
      await stage.pause(50, 400);
      const isDone = await inject(injection, stage);
      log(`${isDone ? 'injected' : 'no occasion for'}: ${injection.name}`);
      injected.set(injection.name, (injected.get(injection.name) ?? 0) + (isDone ? 1 : 0));
      const mayComeYet = turn < fewestTurns || stage.truth.posted.length - since < occasionMessages;
      if (!isDone && mayComeYet) left.push({ injection, turn: turn + 1, since });
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}

async function inject({ perform }: Injection, stage: Stage): Promise<boolean> {
  const isDone = await perform(stage);
  await stage.truth.catchUp();
  return isDone;
}

/** Has the senders send, some now and some then, until the signal. */
async function talk({ senders, recipients, ids }: Cast, random: Random, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const to = Array.from({ length: random.between(1, mostBurst) }, () => ids.get(random.pick(recipients)));
    const command = random.below(commandEach) === 0 ? { command: ids.get(random.pick(recipients)) } : {};
    const bytes = random.below(largeEach) === 0 ? largeBytes : smallBytes;
    const sender = random.pick(senders);
    sender.say({ send: to, bytes, ...command });
    await new Promise((resolve) => setTimeout(resolve, random.between(50, 250)));
  }
}

/** Keeps the truth ahead of the node's forgetting. */
async function watch(truth: Truth, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await truth.catchUp();
    await new Promise((resolve) => setTimeout(resolve, lookAgainMs));
  }
}

import { openInboxFiles, openLmdbStore } from '../../src/index.ts';
import type { Cast } from './cast.ts';
import { judgeCommands, type CommandEvidence } from './command-verdict.ts';
import { ledgerOf, storeOf, type RecipientConfig, type SenderConfig } from './entity.ts';
import { Excuses } from './excuses.ts';
import { Ledger, type RecipientEntry, type SenderEntry } from './ledger.ts';
import { eraBlocks, finalityLag } from './node-under-test.ts';
import type { Player } from './player.ts';
import type { Stage } from './stage.ts';
import { unended } from './unended.ts';
import { judge, type Evidence, type Verdict } from './verdict.ts';

/** Without anything new for so long, what is missing is lost. */
const patienceMs = 60_000;
const lookAgainMs = 200;
/** More than a reorg can reach. */
const settledBlocks = 2 * finalityLag;

type AllEvidence = Evidence & CommandEvidence;

export interface FullVerdict extends Verdict {
  /** Of Phala's form, in finalized blocks. */
  readonly commands: number;
}

export function verdictOn(evidence: AllEvidence): FullVerdict {
  const [verdict, ofCommands] = [judge(evidence), judgeCommands(evidence)];
  const excused = new Excuses();
  for (const each of [verdict, ofCommands]) excused.addAll(each.excused);
  return {
    ...verdict,
    broken: [...verdict.broken, ...ofCommands.broken, ...unended(evidence.senders)],
    commands: evidence.commands.length,
    excused,
  };
}

/** As it is now. */
export function evidenceOf({ truth, node, copies, mayMiss, idOf }: Stage, cast: Cast): AllEvidence {
  return {
    senders: cast.senders.map((player) => ({
      id: cast.senderNames.get(player) ?? '',
      entries: new Ledger<SenderEntry>(ledgerOf(player.config)).entries(),
      isAccountShared: cast.sharedAccounts.has(player),
      isWorkerShared: (player.config as SenderConfig).isShared === true,
    })),
    recipients: cast.recipients.map((player) => ({
      id: idOf(player),
      finality: (player.config as RecipientConfig).finality,
      entries: new Ledger<RecipientEntry>(ledgerOf(player.config)).entries(),
    })),
    posted: truth.posted,
    finalBlocks: truth.hashes,
    commands: truth.commands,
    copies,
    mayMiss,
    hasForgotten: mayMiss.size > 0 || node.kind === 'real',
  };
}

/** Lets everything arrive that will. */
export async function settle(stage: Stage, cast: Cast, log: (line: string) => void): Promise<void> {
  const { node, truth, players, recipients } = stage;
  for (const player of players) {
    stage.proxyOf(player).open();
    player.start();
  }
  await untilNone(async () => {
    await truth.catchUp();
    const { broken, delivered, queued, missedByGap } = verdictOn(evidenceOf(stage, cast));
    const isDone = players.every((player) => player.isDone) && (await stage.waitingExtrinsics()) === 0;
    if (broken.length === 0 && isDone) return undefined;
    return `${delivered} of ${queued} delivered, ${missedByGap} missed by a gap, ${broken.length} open${isDone ? '' : ', some still at work'}`;
  }, log);
  // Who would post again what is final does so by the end of its era. A real node takes a quarter of a minute for that: there nothing
  // but such a fault, which the embedded chain shows, could bring more, since its one pool is empty.
  await node.emptyBlocks?.(eraBlocks + 2);
  // Whatever was in a block that is not final, too: a second posting may be.
  const last = await stage.finalized(truth.block + settledBlocks);
  await untilNone(async () => {
    const late = recipients.filter(({ hasRead }) => hasRead < last);
    if (late.length === 0) return undefined;
    return late.map(({ config, hasRead }) => `${config.name} has read ${hasRead} of ${last} blocks`).join(', ');
  }, log);
}

/** Looks again and again, until nothing is open or for long nothing has changed. */
async function untilNone(look: () => Promise<string | undefined>, log: (line: string) => void): Promise<void> {
  let seen = '';
  for (let until = Date.now() + patienceMs; Date.now() < until;) {
    const open = await look();
    if (open === undefined) return;
    if (open !== seen) {
      until = Date.now() + patienceMs;
      log(open);
    }
    seen = open;
    await new Promise((resolve) => setTimeout(resolve, lookAgainMs));
  }
}

/** Ends all in order, and starts the recipients once more, to whom nothing may come. Who did not end, and what is left in stores. */
export async function endAll({
  players,
  recipients,
  truth,
}: Pick<Stage, 'players' | 'recipients' | 'truth'>): Promise<string[]> {
  const broken: string[] = [];
  const end = async (player: Player): Promise<void> => {
    if (!(await player.end())) broken.push(`${player.config.name} did not end when it was asked to`);
  };
  for (const player of players) await end(player);
  for (const player of recipients) {
    new Ledger<RecipientEntry>(ledgerOf(player.config)).add({ event: 'at-rest' });
    player.start();
  }
  await Promise.all(recipients.map(({ ready }) => ready));
  for (const player of recipients) {
    await end(player);
    broken.push(...(await leftBy(player)));
  }
  // Of blocks that came meanwhile they may have read some.
  await truth.catchUp();
  return broken;
}

async function leftBy({ config }: Player): Promise<string[]> {
  const left: string[] = [];
  await using store = await openLmdbStore({ path: storeOf(config) });
  for await (const { kind, sequence } of (await openInboxFiles(store)).pending())
    left.push(`${config.name} is done with all, and has ${kind} ${sequence} in its store`);
  return left;
}

import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Command } from './commands.ts';
import type { Lives } from './lives.ts';
import { isUsual, modelRuns } from './model-runs.ts';
import type { Death } from './mortal-store.ts';
import { schedulesOf, type Kinds } from './schedules.ts';
import { shortPauses } from './short-pauses.ts';

/** Plays commands on a world that was just made, and judges. */
export async function play<World extends Played>(
  world: World,
  commands: Iterable<Command<World>>,
  death?: Death,
): Promise<Pick<Played, 'messages'> & { readonly commits: number }> {
  await world.lives.start();
  await fc.asyncModelRun(() => ({ model: { blocks: 0, messages: 0 }, real: world }), commands);
  const where =
    death === undefined
      ? 'without a death'
      : `${death.when === 'fails' ? 'it fails at' : `dead ${death.when}`} commit ${death.commit}`;
  assert.deepEqual(await world.end(), [], where);
  return { commits: world.lives.commits, messages: world.messages };
}

export interface Played {
  readonly lives: Lives;
  /** That were sent so far. */
  readonly messages: number;
  /** Lets all come that will; what was broken. */
  end(): Promise<readonly string[]>;
}

interface Schedules {
  readonly usualRuns: number;
  /** Of the usual runs. Default 1. */
  readonly seed?: number;
  /** What befalls each commit. */
  readonly whens?: readonly Death['when'][];
}

/** Of a schedule on the average: with fewer there is no order to be kept. */
const fewestMessages = 2;

/** As {@link playDyingEverywhere}, of a process that lives on where its store refuses one commit, whichever it is. */
export async function playFailingEverywhere<World extends Played>(
  make: (death?: Death) => World,
  kinds: Kinds<World>,
  schedules: Omit<Schedules, 'whens'>,
): Promise<void> {
  using _ = shortPauses();
  await playDyingEverywhere(make, kinds, { ...schedules, whens: ['fails'] });
}

/**
 * Plays schedules, each as it is and then with a process that dies before and after each of its commits. Fails too where the usual
 * ones play next to nothing: a kind of command never, or hardly a message.
 */
export async function playDyingEverywhere<World extends Played>(
  make: (death?: Death) => World,
  kinds: Kinds<World>,
  { usualRuns, seed = 1, whens }: Schedules,
): Promise<void> {
  const sum = { runs: 0, deaths: 0, messages: 0 };
  const { schedules, neverPlayed } = schedulesOf(kinds);
  await fc.assert(
    fc.asyncProperty(schedules, async (schedule) => {
      const { deaths, messages } = await dyingEverywhere(make, schedule, whens);
      sum.runs += 1;
      sum.deaths += deaths;
      sum.messages += messages;
    }),
    modelRuns(usualRuns, seed),
  );
  assert.ok(sum.deaths > 0, 'it died somewhere');
  assert.ok(sum.messages >= fewestMessages * sum.runs, `${sum.messages} messages in ${sum.runs} schedules`);
  if (isUsual()) assert.deepEqual(neverPlayed(), [], `never played in ${usualRuns} schedules of seed ${seed}`);
}

/** One schedule. */
export async function dyingEverywhere<World extends Played>(
  make: (death?: Death) => World,
  schedule: Iterable<Command<World>>,
  whens: readonly Death['when'][] = ['before', 'after'],
): Promise<Pick<Played, 'messages'> & { readonly deaths: number }> {
  const { commits, messages } = await play(make(), schedule);
  for (let commit = 1; commit <= commits; commit++)
    for (const when of whens) {
      const death = { commit, when };
      await play(make(death), schedule, death);
    }
  return { deaths: whens.length * commits, messages };
}

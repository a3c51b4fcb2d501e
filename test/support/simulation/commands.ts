import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Lives } from './lives.ts';
import { modelRuns } from './model-runs.ts';
import type { Death } from './mortal-store.ts';
import { shortPauses } from './short-pauses.ts';

/** What a model knows of its world: enough to tell whether a command has anything to act on. */
export interface Model {
  blocks: number;
  messages: number;
}

export type Command<World> = fc.AsyncCommand<Model, World>;

/** Of commands that make messages, or blocks, or need them. */
export const sends = { adds: { messages: 1 } };
export const builds = { adds: { blocks: 1 } };
export const hasBlocks = { needs: { blocks: 1 } };
export const hasMessages = { needs: { messages: 1 } };

/** A command that is possible where there are so many blocks and messages at least, and adds so many. */
export function command<World>(
  name: string,
  run: (world: World) => Promise<void> | void,
  { needs = {}, adds = {} }: { readonly needs?: Partial<Model>; readonly adds?: Partial<Model> } = {},
): Command<World> {
  return {
    check: ({ blocks, messages }) => blocks >= (needs.blocks ?? 0) && messages >= (needs.messages ?? 0),
    run: async (model, world) => {
      model.blocks += adds.blocks ?? 0;
      model.messages += adds.messages ?? 0;
      await run(world);
    },
    toString: () => name,
  };
}

/** What happens to any process and the chain that it is connected to. */
export function commonCommands<World extends { readonly lives: Lives }>(): fc.Arbitrary<Command<World>>[] {
  return [
    fc.constant(command('build', ({ lives }) => lives.build(false), builds)),
    fc.constant(command('build', ({ lives }) => lives.build(false), builds)),
    fc.constant(command('build an empty block', ({ lives }) => lives.build(true), builds)),
    fc.nat(3).map((lag) => command(`finalize all but ${lag}`, ({ lives }) => lives.finalize(lag), hasBlocks)),
    fc
      .tuple(fc.integer({ min: 1, max: 4 }), fc.boolean())
      .map(([depth, isKept]) =>
        command(
          `reorg ${depth} ${isKept ? 'keeping' : 'losing'}`,
          ({ lives }) => lives.reorg(depth, isKept),
          hasBlocks,
        ),
      ),
    fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 4 }).map((lengths) =>
      command(`messages come of ${lengths.join(', ')} blocks at a time`, ({ lives }) => {
        lives.comeInSpansOf(lengths);
      }),
    ),
    fc.constant(command('kill', ({ lives }) => lives.kill())),
    fc.boolean().map((isAway) => command(isAway ? 'go down' : 'come back', ({ lives }) => lives.stayAway(isAway))),
  ];
}

/** Plays commands on a world that was just made, and judges. Gives the number of commits. */
export async function play<World extends Played>(
  world: World,
  commands: Iterable<Command<World>>,
  death?: Death,
): Promise<number> {
  await world.lives.start();
  await fc.asyncModelRun(() => ({ model: { blocks: 0, messages: 0 }, real: world }), commands);
  const where =
    death === undefined
      ? 'without a death'
      : `${death.when === 'fails' ? 'it fails at' : `dead ${death.when}`} commit ${death.commit}`;
  assert.deepEqual(await world.end(), [], where);
  return world.lives.commits;
}

export interface Played {
  readonly lives: Lives;
  /** Lets all come that will; what was broken. */
  end(): Promise<readonly string[]>;
}

interface Schedules {
  readonly maxCommands: number;
  readonly usualRuns: number;
  /** What befalls each commit. */
  readonly whens?: readonly Death['when'][];
}

/** As {@link playDyingEverywhere}, of a process that lives on where its store refuses one commit, whichever it is. */
export async function playFailingEverywhere<World extends Played>(
  make: (death?: Death) => World,
  commands: readonly fc.Arbitrary<Command<World>>[],
  schedules: Omit<Schedules, 'whens'>,
): Promise<void> {
  using _ = shortPauses();
  await playDyingEverywhere(make, commands, { ...schedules, whens: ['fails'] });
}

/** Plays schedules, each as it is and then with a process that dies before and after each of its commits. */
export async function playDyingEverywhere<World extends Played>(
  make: (death?: Death) => World,
  commands: readonly fc.Arbitrary<Command<World>>[],
  { maxCommands, usualRuns, whens }: Schedules,
): Promise<void> {
  let plays = 0;
  const schedules = fc.commands<Model, World, false>([...commands], { size: 'max', maxCommands });
  await fc.assert(
    fc.asyncProperty(schedules, async (schedule) => {
      plays += await dyingEverywhere(make, schedule, whens);
    }),
    modelRuns(usualRuns),
  );
  assert.ok(plays > 0, 'it died somewhere');
}

/** One schedule. Gives how often the process died. */
export async function dyingEverywhere<World extends Played>(
  make: (death?: Death) => World,
  schedule: Iterable<Command<World>>,
  whens: readonly Death['when'][] = ['before', 'after'],
): Promise<number> {
  const commits = await play(make(), schedule);
  for (let commit = 1; commit <= commits; commit++)
    for (const when of whens) {
      const death = { commit, when };
      await play(make(death), schedule, death);
    }
  return whens.length * commits;
}

import fc from 'fast-check';
import { builds, command, hasBlocks, type Command } from './commands.ts';
import type { Lives } from './lives.ts';

/** Kinds of commands, each with its variants, and how often it comes beside the others. Default: a weight of 1. */
export type Kinds<World> = readonly fc.MaybeWeightedArbitrary<Command<World>>[];

/** Commands of a schedule: those that have nothing to act on yet are passed over. */
const fewest = 8;
const most = 16;

/** A kind that comes so many times as often as others. */
export function often<T>(weight: number, arbitrary: fc.Arbitrary<T>): fc.WeightedArbitrary<T> {
  return { weight, arbitrary };
}

/** What happens to any process and the chain that it is connected to. */
export function commonKinds<World extends { readonly lives: Lives }>(): Kinds<World> {
  return [
    often(4, fc.constant(command('build', ({ lives }) => lives.build(false), builds))),
    fc.constant(command('build an empty block', ({ lives }) => lives.build(true), builds)),
    often(
      2,
      fc.nat(3).map((lag) => command(`finalize all but ${lag}`, ({ lives }) => lives.finalize(lag), hasBlocks)),
    ),
    often(
      3,
      fc
        .tuple(fc.integer({ min: 1, max: 4 }), fc.boolean())
        .map(([depth, isKept]) =>
          command(
            `reorg ${depth} ${isKept ? 'keeping' : 'losing'}`,
            ({ lives }) => lives.reorg(depth, isKept),
            hasBlocks,
          ),
        ),
    ),
    fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 4 }).map((lengths) =>
      command(`messages come of ${lengths.join(', ')} blocks at a time`, ({ lives }) => {
        lives.comeInSpansOf(lengths);
      }),
    ),
    fc.constant(command('kill', ({ lives }) => lives.kill())),
    fc.constant(command('go down', ({ lives }) => lives.stayAway(true))),
    // What goes on without the process says little of it.
    often(2, fc.constant(command('come back', ({ lives }) => lives.stayAway(false)))),
  ];
}

interface Drawn<World> {
  readonly schedules: fc.Arbitrary<Command<World>[]>;
  /** A variant of each kind of which none has run so far. */
  readonly neverPlayed: () => string[];
}

/** Schedules of commands that are drawn by their weights. */
export function schedulesOf<World>(kinds: Kinds<World>): Drawn<World> {
  const played = new Set<number>();
  const weighted = kinds.map((each) => ('weight' in each ? each : often(1, each)));
  const noting = weighted.map(({ weight, arbitrary }, kind) =>
    often(
      weight,
      arbitrary.map((drawn): Command<World> => ({
        check: drawn.check,
        run: async (model, world) => {
          played.add(kind);
          await drawn.run(model, world);
        },
        toString: drawn.toString,
      })),
    ),
  );
  return {
    schedules: fc.array(fc.oneof(...noting), { minLength: fewest, maxLength: most, size: 'max' }),
    neverPlayed: () =>
      weighted.flatMap(({ arbitrary }, kind) =>
        played.has(kind) ? [] : fc.sample(arbitrary, { numRuns: 1, seed: 1 }).map(String),
      ),
  };
}

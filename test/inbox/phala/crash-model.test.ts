import assert from 'node:assert/strict';
import fc from 'fast-check';
import { ready } from '../../../src/crypto/index.ts';
import { command, playOn, type Command, type Model } from '../../support/simulation/commands.ts';
import { modelRuns } from '../../support/simulation/model-runs.ts';
import type { Death } from '../../support/simulation/mortal-store.ts';
import { ListenerWorld } from './listener-world.ts';

const sends = { adds: { messages: 1 } };
const builds = { adds: { blocks: 1 } };
const hasBlocks = { needs: { blocks: 1 } };

const commands = fc.commands<Model, ListenerWorld, false>(
  [
    fc.constant(command('post', (world) => world.post(), sends)),
    fc.constant(command('post', (world) => world.post(), sends)),
    fc.constant(command('build', (world) => world.build(false), builds)),
    fc.constant(command('build', (world) => world.build(false), builds)),
    fc.constant(command('build an empty block', (world) => world.build(true), builds)),
    fc
      .tuple(fc.integer({ min: 1, max: 4 }), fc.boolean())
      .map(([depth, isKept]) =>
        command(`reorg ${depth} ${isKept ? 'keeping' : 'losing'}`, (world) => world.reorg(depth, isKept), hasBlocks),
      ),
    fc.nat(3).map((lag) => command(`finalize all but ${lag}`, (world) => world.finalize(lag), hasBlocks)),
    fc.constant(command('prune', (world) => world.prune(), hasBlocks)),
    fc.boolean().map((isHolding) => command(`hold back ${isHolding}`, (world) => world.hold(isHolding))),
    fc.constant(command('kill', (world) => world.kill())),
    fc.boolean().map((isAway) => command(isAway ? 'go down' : 'come back', (world) => world.stayAway(isAway))),
  ],
  { size: 'max', maxCommands: 16 },
);

/** Plays the commands, with a process that dies at one of its commits, and judges. Gives the number of commits. */
async function play(cmds: Iterable<Command<ListenerWorld>>, death?: Death): Promise<number> {
  const world = new ListenerWorld(death);
  await world.start();
  await playOn(world, cmds);
  const where = death === undefined ? 'without a death' : `dead ${death.when} commit ${death.commit}`;
  assert.deepEqual(await world.end(), [], where);
  return world.commits;
}

describe('phala listener: the model, with a crash at every commit', () => {
  before(ready);

  it('delivers each posting of a finalized block once, in order, but for those of blocks that it names as missing', async () => {
    let plays = 0;
    await fc.assert(
      fc.asyncProperty(commands, async (cmds) => {
        const commits = await play(cmds);
        for (let commit = 1; commit <= commits; commit++)
          for (const when of ['before', 'after'] as const) {
            await play(cmds, { commit, when });
            plays++;
          }
      }),
      modelRuns(20),
    );
    assert.ok(plays > 0, 'it died somewhere');
  }).timeout(300_000);
});

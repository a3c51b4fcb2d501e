import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { temporaryFolder } from '../support/entities.ts';
import { until } from '../support/until.ts';
import { Player } from './player.ts';

const program = `
if (JSON.parse(process.argv[2]).name === 'dies') process.kill(process.pid, 'SIGKILL');
process.stdin.on('end', () => process.exit(0)).on('data', () => {
  console.log(JSON.stringify({ event: 'rotating' }));
  if (JSON.parse(process.argv[2]).name === 'rotates') console.log(JSON.stringify({ event: 'rotated', key: '0x01' }));
});
console.log(JSON.stringify({ event: 'ready' }));
`;

describe('soak: a process of the run', () => {
  it('is told to have failed where it ends by itself, and not where it is killed or asked to end', async () => {
    const folder = await temporaryFolder();
    const script = join(folder.path, 'entity.mjs');
    await writeFile(script, program);
    const told: string[] = [];
    const player = (name: string): Player =>
      new Player(script, { name, folder: folder.path, endpoints: [], suri: '', from: 0 }, ({ event, reason = '' }) => {
        told.push(`${name}: ${event} ${reason}`.trim());
      });
    const [dies, lives] = [player('dies'), player('lives')];
    dies.start();
    await dies.ended;
    lives.start();
    await lives.ready;
    lives.isAway = true;
    await lives.kill();
    lives.start();
    assert.ok(await lives.end());
    assert.equal(told.length, 2, 'it does not start while it is kept away');
    lives.isAway = false;
    lives.start();
    await lives.ready;
    assert.ok(await lives.end());
    assert.deepEqual(told, ['dies: failed by itself, SIGKILL', 'lives: ready', 'lives: ready']);
    await folder.remove();
  });

  it('is known to rotate its key until it says that it has, or has gone', async () => {
    const folder = await temporaryFolder();
    const script = join(folder.path, 'entity.mjs');
    await writeFile(script, program);
    const player = (name: string): Player =>
      new Player(script, { name, folder: folder.path, endpoints: [], suri: '', from: 0 });
    const [rotates, hangs] = [player('rotates'), player('hangs')];
    try {
      for (const each of [rotates, hangs]) {
        each.start();
        await each.ready;
        each.say({ rotate: true });
      }
      await until(() => rotates.rotatedTo.length > 0 && hangs.isRotating);
      assert.deepEqual([rotates.rotatedTo, rotates.isRotating, hangs.rotatedTo], [['0x01'], false, []]);
      await hangs.kill();
      hangs.start();
      assert.equal(hangs.isRotating, false);
    } finally {
      await Promise.all([rotates.kill(), hangs.kill()]);
      await folder.remove();
    }
  });
});

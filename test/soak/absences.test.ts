import assert from 'node:assert/strict';
import { Absences } from './absences.ts';
import { Player } from './player.ts';

const player = (name: string): Player => new Player('', { name, folder: '', endpoints: [], suri: '', from: 0 });

describe('soak: a process that ends for want of the node', () => {
  it('is excused while the run has it away from that process, or from all, and soon after', async () => {
    const [one, other] = [player('one'), player('other')];
    const absences = new Absences();
    assert.equal(absences.excuse(one), false);
    await absences.during(one, async () => {
      assert.deepEqual([absences.excuse(one), absences.excuse(other)], [true, false]);
    });
    assert.deepEqual([absences.excuse(one), absences.excuse(other)], [true, false]);
    await absences.during(undefined, async () => undefined);
    assert.equal(absences.excuse(other), true);
  });
});

import assert from 'node:assert/strict';
import { WorkerLines } from '../../src/cli/worker-lines.ts';
import type { Output } from '../../src/cli/output.ts';
import type { Hex } from '../../src/codec/index.ts';
import type { WorkerEntry, WorkerStateView } from '../../src/worker-state/index.ts';

function entry(seed: number, endpoints: readonly string[]): WorkerEntry {
  const current = { epoch: seed, ecdhKey: new Uint8Array(32).fill(seed), proven: true };
  const identity: Hex = `0x${seed.toString(16).padStart(64, '0')}`;
  return { identity, current, epochs: [current], endpoints, gatekeeper: false, runtimeVersion: 1, confidenceLevel: 1 };
}

describe('the lines of workers --watch', () => {
  it('say of one that is gone what they said of it last, also where nobody read for long', () => {
    const printed: object[] = [];
    const lines = new WorkerLines({ print: (line: object) => void printed.push(line) } as unknown as Output);
    const [stays, goes] = [entry(1, ['http://a']), entry(2, ['http://b'])];
    for (const worker of [stays, goes]) lines.added(worker, 5, true);
    const changed = { ...goes, endpoints: ['http://c'] };
    lines.changed({ type: 'changed', worker: changed, before: goes, what: ['endpoints'], block: 6, hash: '0x06' });
    const present = new Map([stays, entry(3, [])].map((worker) => [worker.identity, worker]));
    const state = {
      at: { block: 9, hash: '0x09' },
      has: (id: Hex) => present.has(id),
      values: () => present.values(),
    } as unknown as WorkerStateView;
    printed.splice(0);
    lines.again(state);
    const of = (event: string, { identity, endpoints, current }: WorkerEntry): object => ({
      ...{ event, identity, ecdh: `0x${Buffer.from(current.ecdhKey).toString('hex')}`, epoch: current.epoch },
      ...{ proven: true, endpoints, gatekeeper: false, block: 9 },
    });
    assert.deepEqual(printed, [of('removed', changed), of('changed', stays), of('added', entry(3, []))]);
    assert.equal(lines.size, 2);
  });
});

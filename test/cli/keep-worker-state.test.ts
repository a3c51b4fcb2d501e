import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'mocha';
import { pino } from 'pino';
import { Subject } from 'rxjs';
import { keepWorkerState, type KeptWorkerState } from '../../src/cli/keep-worker-state.ts';
import { RelayError } from '../../src/errors/index.ts';
import type { At, WorkerStateWatch } from '../../src/worker-state/index.ts';
import { until } from '../support/until.ts';

const id = `0x${'0b'.repeat(32)}` as const;
const at: At = { block: 1, hash: id };

/** A watch that the test drives; it knows one worker, whose endpoint is its own name. */
function watchOf(name: string, ready: Promise<void> = Promise.resolve()) {
  const at$ = new Subject<At>();
  const entry = { endpoints: [name] };
  const state = { get: () => entry, has: () => true } as unknown as WorkerStateWatch['state'];
  const made = {
    ...{ at$, state, ready, stops: 0 },
    stop: (): Promise<void> => {
      made.stops++;
      return Promise.resolve();
    },
  };
  return made;
}

describe('WorkerState of a relay', () => {
  const kept: KeptWorkerState[] = [];
  afterEach(async () => {
    for (const each of kept.splice(0)) await each[Symbol.asyncDispose]();
  });

  const logged: string[] = [];
  const logger = pino({ level: 'debug' }, { write: (line: string) => logged.push(line) });
  const keep = async (watches: ReturnType<typeof watchOf>[], now = Date.now) => {
    let begun = 0;
    const begin = () => {
      const next = watches[begun++];
      assert.ok(next !== undefined);
      return next;
    };
    const made = await keepWorkerState({ begin, logger, now, pauseMs: 1 });
    kept.push(made);
    return made;
  };
  const endpoint = ({ state }: KeptWorkerState) => state.get(id)?.endpoints[0];
  const failure = () => new RelayError('proofs-unavailable', { details: { method: 'x' } });

  it('is begun anew when its watch ends with an error, and is meanwhile as it was', async () => {
    const [first, second] = [watchOf('first'), watchOf('second')];
    const made = await keep([first, second]);
    assert.equal(endpoint(made), 'first');
    first.at$.error(failure());
    assert.equal(endpoint(made), 'first');
    await until(() => endpoint(made) === 'second');
    assert.equal(first.stops, 1);
    assert.match(logged.join(''), /proofs-unavailable/);
  });

  it('is begun again and again while that fails', async () => {
    const broken = () => watchOf('broken', Promise.reject(failure()));
    const made = await keep(
      [watchOf('first'), broken(), broken(), watchOf('fourth')].map((watch, n, all) => {
        watch.ready.catch(() => undefined);
        if (n === 0) setImmediate(() => all[0]?.at$.error(failure()));
        return watch;
      }),
    );
    await until(() => endpoint(made) === 'fourth');
  });

  it('tells how long ago it was seen', async () => {
    let now = 1_000;
    const watch = watchOf('one');
    const made = await keep([watch], () => now);
    now += 500;
    assert.equal(made.state.ageMs(), 500);
    watch.at$.next(at);
    assert.equal(made.state.ageMs(), 0);
  });

  it('ends with its watch, and with one that is being begun', async () => {
    const first = watchOf('first');
    const hanging = watchOf('hanging', new Promise(() => undefined));
    let rejectReady = (_: unknown): void => undefined;
    const stoppable = { ...hanging, ready: new Promise<void>((_, reject) => (rejectReady = reject)) };
    stoppable.stop = () => {
      rejectReady(new RelayError('worker-state-stopped'));
      return Promise.resolve();
    };
    const made = await keep([first, stoppable]);
    first.at$.error(failure());
    await until(() => first.stops === 1);
    await made[Symbol.asyncDispose]();
    kept.length = 0;
  });

  it('does not begin where the first snapshot can not be read', async () => {
    const broken = watchOf('broken', Promise.reject(failure()));
    await assert.rejects(keep([broken]), /proof/i);
    assert.equal(broken.stops, 1);
  });
});

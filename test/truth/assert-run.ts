import assert from 'node:assert/strict';
import { caught } from './lies.ts';
import { faultKinds, hidesHints, refusals, seenReorgs, type Followed, type RunResult } from './run.ts';

/** Steps from which on everything that a run may bring is there: with fewer only what is compared counts. */
const wholeRun = 16;
/** Kinds of calls, and how the chain is to have run some of them. */
const callKinds = [
  'registrations',
  'nested registrations',
  'plain endpoint changes',
  'nested endpoint changes',
  'endpoint changes by a multisig',
  'of them replayed',
];
const waysToRun = ['through a proxy', 'by sudo as another', 'by a multisig of two', 'in a batch'];
/** Of the calls in batches, those of workers that are gone or were never there: a run of others would show little. */
const maxFailedShare = 0.2;

/** Throws where a run brought less than it should have, or something was not seen. */
export function assertRun(result: RunResult, steps: number): void {
  for (const follower of result.followers) assertFollowed(follower);
  if (steps < wholeRun) {
    process.stderr.write(`      what the run brought is not looked at: ${steps} steps are too few for all of it\n`);
    return;
  }
  const happened = (
    what: string,
    counts: Readonly<Record<string, number>>,
    names: readonly (string | number)[],
  ): void => {
    const never = names.filter((name) => (counts[name] ?? 0) === 0);
    assert.deepEqual(never, [], `${what} that never were`);
  };
  happened('calls', result.calls, callKinds);
  happened('ways to run a call', result.ran, waysToRun);
  happened('mishaps', result.mishaps, Object.keys(result.mishaps));
  assertEffects(result);
  happened('faults', result.faults, [...faultKinds, ...refusals.map(({ code }) => code)]);
  const [before, older, again] = result.specVersions;
  assert.ok(
    older !== before && again === before,
    `upgraded to the older layout and back: ${result.specVersions.join()}`,
  );
  assert.ok(result.failedShare < maxFailedShare, `${result.failedShare} of the calls came to nothing`);
  assert.ok((result.calls['registrations'] ?? 0) > 1_000, 'registrations');
  for (const { name, liars } of result.followers)
    for (const { lie, told, fault } of liars) {
      assert.ok(told > 0, `${name}: one ${lie}, but never did`);
      if (caught.has(lie)) assert.ok(fault?.isLeft, `${name}: one ${lie}, and was not left`);
    }
}

/** Throws where what happened to the node made no difference to any watch. */
function assertEffects({ mishaps, followers }: RunResult): void {
  const sum = (of: (follower: Followed) => number): number => followers.reduce((total, each) => total + of(each), 0);
  if (seenReorgs in mishaps) assert.ok(sum(({ takenBack }) => takenBack) > 0, 'no change was taken back by a reorg');
  if ('absences' in mishaps) assert.ok(sum(({ passedOver }) => passedOver) > 0, 'no block was gone before it was read');
  const hider = followers.find(({ liars }) => liars.some(({ lie, told }) => lie === hidesHints && told > 0));
  assert.ok(hider !== undefined && hider.missed > 0, 'no hints were hidden, or nothing was found without them');
  for (const { name, takenBack } of followers)
    if (name === 'finalized by proofs') assert.equal(takenBack, 0, `${name}: changes that were taken back`);
}

function assertFollowed({ name, strategy, changes, missed, compared, liars }: Followed): void {
  assert.ok(changes > 0, `${name}: changes`);
  for (const [what, count] of Object.entries(compared)) assert.ok(count > 0, `${name}: ${what} at the end`);
  if (strategy === 'proofs') assert.equal(missed, 0, name);
  for (const { url, fault } of liars) {
    if (fault?.isLeft !== true) continue;
    assert.equal(fault.error.code, 'node-lies');
    assert.ok(fault.error.message.includes(url), `${name}: ${fault.error.message}`);
    assert.ok(fault.at > 0);
  }
}

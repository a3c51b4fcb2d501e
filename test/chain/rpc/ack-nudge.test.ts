import assert from 'node:assert/strict';
import { AckNudge } from '../../../src/chain/rpc/ack-nudge.ts';

/** What was asked for before it is done. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

describe('AckNudge', () => {
  let awaited: number;
  let pongs: number;
  let nudge: AckNudge;

  beforeEach(() => {
    awaited = 1;
    pongs = 0;
    nudge = new AckNudge(
      () => awaited > 0,
      () => (pongs += 1),
    );
  });

  it('sends a pong in the turn in which frames came, one for all of them', async () => {
    nudge.received();
    nudge.received();
    assert.equal(pongs, 0);
    await turn();
    assert.equal(pongs, 1);
    await turn();
    assert.equal(pongs, 1);
    nudge.received();
    await turn();
    assert.equal(pongs, 2);
  });

  it('sends none where a request goes out in that turn, which acknowledges as well', async () => {
    nudge.received();
    await Promise.resolve().then(() => nudge.sent());
    await turn();
    assert.equal(pongs, 0);
    nudge.sent();
    nudge.received();
    await turn();
    assert.equal(pongs, 1);
  });

  it('sends none where nothing more is awaited, or all came meanwhile', async () => {
    awaited = 0;
    nudge.received();
    awaited = 1;
    await turn();
    assert.equal(pongs, 0);
    nudge.received();
    awaited = 0;
    await turn();
    assert.equal(pongs, 0);
  });

  it('sends none once it has ended', async () => {
    nudge.received();
    nudge.end();
    await turn();
    assert.equal(pongs, 0);
  });
});

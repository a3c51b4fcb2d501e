import assert from 'node:assert/strict';
import { StatusWatch } from '../../src/chain/submit/extrinsic-status.ts';
import type { RpcSocket } from '../../src/chain/rpc/rpc-socket.ts';
import { collectGarbage } from '../support/collect-garbage.ts';
import { until } from '../support/until.ts';

/** One that is told of by nobody, until it is closed. */
function socketOf(closed: Promise<void>): RpcSocket {
  return { closed, subscribe: async () => () => undefined } as unknown as RpcSocket;
}

describe('the status of an extrinsic', () => {
  it('is lost where its socket closes', async () => {
    let close: () => void = () => undefined;
    const watch = await StatusWatch.post(socketOf(new Promise((resolve) => (close = resolve))), '0x00');
    close();
    assert.deepEqual(await watch.next(undefined), { kind: 'lost' });
  });

  it('leaves nothing in memory once nobody waits for it, however long its socket stays open', async () => {
    const socket = socketOf(new Promise(() => undefined));
    const ended = await (async () => {
      const watch = await StatusWatch.post(socket, '0x00');
      watch.end();
      return new WeakRef(watch);
    })();
    await until(() => {
      collectGarbage();
      return ended.deref() === undefined;
    });
    assert.ok(socket.closed);
  });
});

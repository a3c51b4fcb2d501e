import type { Methods, Subscription, Subscriptions } from './method.ts';

const authorMethods: Methods = {
  author_submitExtrinsic: async (node, params) => (await node.submit(params.hex(0, 'the extrinsic'))).hash,
  author_pendingExtrinsics: (node) => node.pool.ready().map(({ extrinsic }) => extrinsic),
};

const submitAndWatch: Subscription = {
  notification: 'author_extrinsicUpdate',
  unsubscribe: ['author_unwatchExtrinsic'],
  open: async (node, params, sink) => {
    const { unwatch } = await node.submit(params.hex(0, 'the extrinsic'), (status, last) => {
      sink.send(status);
      if (last) sink.end();
    });
    return unwatch;
  },
};

const authorSubscriptions: Subscriptions = { author_submitAndWatchExtrinsic: submitAndWatch };

export { authorMethods, authorSubscriptions };

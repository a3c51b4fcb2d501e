import type { Comparison } from './harness.ts';
import { post } from './outbox/post.ts';

export const room = 'outbox';

export function benches(): Promise<Comparison[]> {
  return Promise.resolve([{ name: 'outbox/post', run: post }]);
}

import type { Chain } from '../chain/index.ts';
import type { Output } from './output.ts';

/** What is found wrong with an endpoint, as a line of `--json`; a person is told by the log on stderr. */
export function tellNodeFaults({ nodeFaults$ }: Pick<Chain, 'nodeFaults$'>, output: Output): Disposable {
  const subscription = nodeFaults$.subscribe(({ url, error: { code, message }, isLeft, at }) => {
    if (output.isJson) output.print({ event: 'node-fault', ws: url, code, message, left: isLeft, at }, message);
  });
  return {
    [Symbol.dispose]: () => {
      subscription.unsubscribe();
    },
  };
}

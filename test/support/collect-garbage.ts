import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

type Collect = (options?: { readonly type: 'minor' }) => void;

/** Runs the garbage collector once, whatever flags this process was started with. */
export function collectGarbage(): void {
  collector()();
}

/** Only over what was made lately, as V8 does it most of the time. */
export function collectYoungGarbage(): void {
  collector()({ type: 'minor' });
}

function collector(): Collect {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as Collect;
}

/**
 * `signals`: tells of each signal that it survives, 600 ms after the one before by its clock, until one ends it. `done`: its
 * command is done at the first one; it goes on until its standard input ends, and says so.
 */
import { onInterruption } from '../../src/cli/interruption.ts';
import { toldToGoOn } from '../support/child.ts';

let now = 0;
const [mode] = process.argv.slice(2);
const interruption = onInterruption(() => now);
if (mode === 'signals') {
  for (const name of ['SIGINT', 'SIGTERM'] as const)
    process.on(name, () => {
      now += 600;
      console.log(`${name} ${interruption.signal.aborted}`);
    });
  setInterval(() => undefined, 2 ** 31 - 1);
  console.log('ready');
} else {
  setImmediate(() => {
    console.log('ready');
  });
  const told = toldToGoOn();
  await interruption.interrupted;
  interruption[Symbol.dispose]();
  console.log('done');
  await told;
  console.log('ended');
}

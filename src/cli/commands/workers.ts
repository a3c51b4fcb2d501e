import type { Command } from 'commander';
import { toHex, type Hex } from '../../codec/index.ts';
import {
  watchWorkerState,
  type WorkerChange,
  type WorkerEntry,
  type WorkerStateView,
} from '../../worker-state/index.ts';
import { action, command, type Context } from '../command.ts';
import { short, type Output } from '../output.ts';
import { openChain, verified } from '../session.ts';
import { stderrLogger } from '../stderr-logger.ts';
import { tellNodeFaults } from '../tell-node-faults.ts';
import { visible } from '../visible.ts';
import { warn } from '../warn.ts';

interface Flags {
  readonly watch?: true;
}

export function workersCommand(): Command {
  return command('workers', 'registered workers, their EcdhKeys and endpoints', [
    'ws',
    'genesis',
    'quorum',
    'verify',
    'finality',
    'timeout',
  ])
    .option('--watch', 'go on with every change')
    .action(action(0, workers));
}

async function workers({ settings, flags, output, signal, interrupted }: Context<Flags>): Promise<void> {
  await using chain = await openChain(settings, signal);
  await using watch = watchWorkerState(chain, {
    ...{ finality: settings.finality, logger: stderrLogger },
    ...verified(settings),
  });
  await Promise.race([watch.ready, interrupted]);
  const isOver = (): boolean => signal.aborted;
  if (isOver()) return;
  // Opened together with the view that is printed, so that none falls between the two.
  const steps = watch.steps();
  void interrupted.then(() => steps.return?.());
  const drained = (): Promise<void> => Promise.race([output.drained(), interrupted]);
  const { block } = watch.state.at;
  const printed = new Set<Hex>();
  for (const worker of watch.state.values()) {
    printWorker(output, 'added', worker, block);
    if (flags.watch === true) printed.add(worker.identity);
    await drained();
    if (isOver()) return;
  }
  if (flags.watch !== true) return;
  using _faults = tellNodeFaults(chain, output);
  output.print(
    { event: 'ready', block, workers: printed.size, trust: watch.stats.trust, strategy: watch.stats.strategy },
    `${printed.size} worker(s) at block ${block}; watching.`,
  );
  for await (const step of steps) {
    if (step.isReset) printAgain(output, watch.state, printed);
    for (const change of step.changes) {
      if (change.type === 'added') printed.add(change.worker.identity);
      if (change.type === 'removed') printed.delete(change.worker.identity);
      printChange(output, change);
    }
    await drained();
  }
}

/** So much changed while stdout was not read that it is not known what: all there is, and who is no more. */
function printAgain(output: Output, state: WorkerStateView, printed: Set<Hex>): void {
  const { block } = state.at;
  for (const identity of printed) {
    if (state.has(identity)) continue;
    printed.delete(identity);
    output.print({ event: 'removed', identity, block }, `removed ${identity}`);
  }
  for (const worker of state.values()) {
    printWorker(output, printed.has(worker.identity) ? 'changed' : 'added', worker, block);
    printed.add(worker.identity);
  }
}

function printChange(output: Output, change: WorkerChange): void {
  if (change.type === 'invalid-record') {
    warn(`${change.identity} has an invalid ECDH record: ${change.reason}`);
    return;
  }
  printWorker(output, change.type === 'gatekeeper' ? 'changed' : change.type, change.worker, change.block);
}

function printWorker(output: Output, event: 'added' | 'changed' | 'removed', worker: WorkerEntry, block: number): void {
  const { identity, current, endpoints, gatekeeper } = worker;
  const ecdh = toHex(current.ecdhKey);
  output.print(
    { event, identity, ecdh, epoch: current.epoch, proven: current.proven, endpoints, gatekeeper, block },
    `${event.padEnd(7)} ${identity}  EcdhKey ${short(ecdh)} epoch ${current.epoch}${current.proven ? '' : ' (unproven)'}` +
      `${gatekeeper ? '  gatekeeper' : ''}  ${endpoints.map(visible).join(' ')}`,
  );
}

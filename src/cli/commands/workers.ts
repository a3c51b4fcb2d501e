import type { Command } from 'commander';
import { lastValueFrom, takeUntil, tap, from } from 'rxjs';
import { toHex } from '../../codec/index.ts';
import { watchWorkerState, type WorkerChange, type WorkerEntry } from '../../worker-state/index.ts';
import { action, command, type Context } from '../command.ts';
import { short, type Output } from '../output.ts';
import { openChain, verified } from '../session.ts';

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
  await using watch = watchWorkerState(chain, { finality: settings.finality, ...verified(settings) });
  const seen: WorkerChange[] = [];
  // Held back until the snapshot is printed, so that none falls between the two.
  let onChange = (change: WorkerChange): void => void seen.push(change);
  const changes = lastValueFrom(
    watch.changes$.pipe(
      tap((change) => {
        onChange(change);
      }),
      takeUntil(from(interrupted)),
    ),
    { defaultValue: undefined },
  );
  changes.catch(() => undefined); // awaited below
  await Promise.race([watch.ready, interrupted]);
  const { block } = watch.state.at;
  for (const worker of watch.state.values()) printWorker(output, 'added', worker, block);
  if (flags.watch !== true) return;
  output.print(
    { event: 'ready', block, workers: watch.state.size, trust: watch.stats.trust },
    `${watch.state.size} worker(s) at block ${block}; watching.`,
  );
  onChange = (change) => {
    printChange(output, change);
  };
  for (const change of seen) if (change.block > block) printChange(output, change);
  await changes;
}

function printChange(output: Output, change: WorkerChange): void {
  if (change.type === 'invalid-record') {
    process.stderr.write(`khala-relay: ${change.identity} has an invalid ECDH record: ${change.reason}\n`);
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
      `${gatekeeper ? '  gatekeeper' : ''}  ${endpoints.join(' ')}`,
  );
}

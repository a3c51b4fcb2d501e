import { toHex, type Hex } from '../codec/index.ts';
import type { WorkerChange, WorkerEntry, WorkerStateView } from '../worker-state/index.ts';
import { short, type Output } from './output.ts';
import { visible } from './visible.ts';

/** What a line says of a worker. */
interface WorkerFields {
  readonly ecdh: Hex;
  readonly epoch: number;
  readonly proven: boolean;
  readonly endpoints: readonly string[];
  readonly gatekeeper: boolean;
}

type LineEvent = 'added' | 'changed' | 'removed';

/** A line for each worker and for each change, of which who reads them has what WorkerState shows. */
export class WorkerLines {
  readonly #output: Output;
  /** As they were printed last. */
  readonly #printed = new Map<Hex, WorkerFields>();

  constructor(output: Output) {
    this.#output = output;
  }

  /** Workers that were printed and not removed. */
  get size(): number {
    return this.#printed.size;
  }

  /** `isKept`: more lines are to come. Else text says nothing of an event: nothing has happened. */
  added(worker: WorkerEntry, block: number, isKept: boolean): void {
    const fields = fieldsOf(worker);
    this.#print('added', worker.identity, fields, block, isKept);
    if (isKept) this.#printed.set(worker.identity, fields);
  }

  changed({ type, worker, block }: Exclude<WorkerChange, { readonly type: 'invalid-record' }>): void {
    const { identity } = worker;
    const fields = fieldsOf(worker);
    this.#print(type === 'gatekeeper' ? 'changed' : type, identity, fields, block);
    if (type === 'removed') this.#printed.delete(identity);
    else this.#printed.set(identity, fields);
  }

  /** So much changed while nobody read the lines that it is not known what: who is no more, and all there is. */
  again(state: WorkerStateView): void {
    const { block } = state.at;
    for (const [identity, fields] of this.#printed) {
      if (state.has(identity)) continue;
      this.#printed.delete(identity);
      this.#print('removed', identity, fields, block);
    }
    for (const worker of state.values()) {
      const fields = fieldsOf(worker);
      this.#print(this.#printed.has(worker.identity) ? 'changed' : 'added', worker.identity, fields, block);
      this.#printed.set(worker.identity, fields);
    }
  }

  #print(event: LineEvent, identity: Hex, fields: WorkerFields, block: number, isNews = true): void {
    const { ecdh, epoch, proven, endpoints, gatekeeper } = fields;
    this.#output.print(
      { event, identity, ...fields, block },
      `${isNews ? `${event.padEnd(7)} ` : ''}${identity}  EcdhKey ${short(ecdh)} epoch ${epoch}${proven ? '' : ' (unproven)'}` +
        `${gatekeeper ? '  gatekeeper' : ''}  ${endpoints.map(visible).join(' ')}`,
    );
  }
}

function fieldsOf({ current, endpoints, gatekeeper }: WorkerEntry): WorkerFields {
  return { ecdh: toHex(current.ecdhKey), epoch: current.epoch, proven: current.proven, endpoints, gatekeeper };
}

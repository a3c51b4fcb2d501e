import type { Hex } from '../../codec/index.ts';
import type { MailHeader } from './header-scan.ts';

/** Messages of one mailbox that were read, without a gap: all that come after `from`. */
interface Run {
  from: number;
  readonly read: MailHeader[];
}

const maxRuns = 20_000;
const maxRead = 4_096;

/** What was read and is likely to be acknowledged next, so that an acknowledgement need not look it up. */
export class Delivered {
  readonly #runs = new Map<Hex, Run>();

  /** Notes a page that was read after a cursor. */
  add(recipient: Hex, after: number, page: readonly MailHeader[]): void {
    const known = this.#runs.get(recipient);
    const run = known !== undefined && continues(known, after) ? known : { from: after, read: [] };
    const again = run.read.findIndex(({ sequence }) => sequence > after);
    if (again !== -1) run.read.length = again;
    run.read.push(...page);
    this.#runs.delete(recipient);
    if (run.read.length <= maxRead) this.#runs.set(recipient, run);
    const [oldest] = this.#runs.keys();
    if (this.#runs.size > maxRuns && oldest !== undefined) this.#runs.delete(oldest);
  }

  /** All messages after `from` up to `upTo`; undefined: not all are known. */
  between(recipient: Hex, from: number, upTo: number): readonly MailHeader[] | undefined {
    const run = this.#runs.get(recipient);
    if (run === undefined || run.from > from || endOf(run) < upTo) return undefined;
    return run.read.filter(({ sequence }) => sequence > from && sequence <= upTo);
  }

  /** They are gone. */
  forget(recipient: Hex, upTo: number): void {
    const run = this.#runs.get(recipient);
    if (run === undefined) return;
    const left = run.read.findIndex(({ sequence }) => sequence > upTo);
    run.read.splice(0, left === -1 ? run.read.length : left);
    if (run.read.length === 0) this.#runs.delete(recipient);
    else run.from = Math.max(run.from, upTo);
  }
}

function continues(run: Run, after: number): boolean {
  return after >= run.from && after <= endOf(run);
}

function endOf({ from, read }: Run): number {
  return read.at(-1)?.sequence ?? from;
}

import type { Output } from '../output.ts';

const heartbeatMs = 2_000;
const msPerSecond = 1_000;

/** Runs the steps of the demo one after the other and prints a line with its time for each. */
export class Stage {
  readonly #output: Output;
  readonly #now: () => number;

  constructor(output: Output, now: () => number = () => performance.now()) {
    this.#output = output;
    this.#now = now;
  }

  /** `tell` makes the line of the result. While the work lasts, a sign of life goes to stderr now and then. */
  async step<T>(title: string, work: () => Promise<T>, tell: (result: T) => string): Promise<T> {
    const begun = this.#now();
    const heartbeat = setInterval(() => {
      process.stderr.write(`          … ${title} (${seconds(this.#now() - begun)})\n`);
    }, heartbeatMs);
    try {
      const result = await work();
      const took = this.#now() - begun;
      const told = tell(result);
      this.#output.print({ event: 'step', step: title, result: told, ms: Math.round(took) }, line(took, title, told));
      return result;
    } finally {
      clearInterval(heartbeat);
    }
  }
}

function line(took: number, title: string, told: string): string {
  return `${seconds(took).padStart(8)}  ${title}: ${told}`;
}

function seconds(ms: number): string {
  return `${(ms / msPerSecond).toFixed(2)} s`;
}

import { RelayError } from '../errors/index.ts';
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

// Labels take values of closed sets only, so the number of series is bounded.
const counters = {
  messages_total: ['Messages that were taken', 'status'],
  refused_total: ['Messages and requests that were refused', 'code'],
  deliveries_total: ['Messages sent to their recipients'],
  acknowledged_total: ['Acknowledgements of recipients that are on disk'],
  logins_total: ['Logins of recipients', 'outcome'],
  forwards_total: ['Messages in the queue to other relays that were settled', 'outcome'],
  connections_closed_total: ['Connections that the relay closed', 'reason'],
  tunnels_total: ['WebSockets joined to other relays that have ended', 'reason'],
} as const;

const gauges = {
  connections: 'WebSockets',
  tunnels: 'WebSockets that are joined to other relays',
  logged_in: 'Recipients that read their mailbox',
  in_flight: 'Messages between arrival and answer',
  mailboxes: 'Mailboxes',
  reply_boxes: 'Reply boxes, counted for each worker with answers there',
  mailbox_messages: 'Messages that are kept',
  mailbox_bytes: 'Bytes of the messages that are kept',
  worker_state_age_seconds: 'Time since WorkerState was last seen',
  forward_queue: 'Messages that wait for another relay',
} as const;

export type CounterName = keyof typeof counters;
export type GaugeName = keyof typeof gauges;

const prefix = 'khala_relay_';
const msPerSecond = 1_000;
/** For one gauge to be read. */
const gaugeMs = 1_000;

let processRegistry: Registry | undefined;

/** Memory, CPU, event loop. Measured from the first time that somebody looks: it takes timers and observers. */
function ofProcess(): Registry {
  if (processRegistry === undefined) {
    processRegistry = new Registry();
    collectDefaultMetrics({ register: processRegistry });
  }
  return processRegistry;
}

/** What a relay counts since it was made, for Prometheus. */
export class Metrics {
  readonly #registry = new Registry();
  readonly #counters = new Map<CounterName, Counter>();
  // Of each name and label: finding one again costs more than counting.
  readonly #series = new Map<string, { inc(by: number): void }>();
  readonly #answers: Histogram;
  readonly #maxAgeMs: number;
  #exposition: Promise<string> | undefined;
  #isMaking = false;
  #exposedAt = 0;

  /** `maxAgeMs`: how long an exposition is given again. */
  constructor({ maxAgeMs }: { readonly maxAgeMs: number }) {
    this.#maxAgeMs = maxAgeMs;
    const registers = [this.#registry];
    for (const [name, [help, label]] of Object.entries(counters) as [CounterName, readonly [string, string?]][])
      this.#counters.set(
        name,
        new Counter({ name: prefix + name, help, labelNames: label === undefined ? [] : [label], registers }),
      );
    this.#answers = new Histogram({
      name: `${prefix}answer_seconds`,
      help: 'Time from the arrival of a message to its answer',
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10],
      registers,
    });
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  count(name: CounterName, label?: string, more = 1): void {
    const key = label === undefined ? name : `${name} ${label}`;
    let series = this.#series.get(key);
    if (series === undefined) {
      const counter = this.#counters.get(name);
      series = label === undefined ? counter?.labels() : counter?.labels(label);
      if (series === undefined) return;
      this.#series.set(key, series);
    }
    series.inc(more);
  }

  answered(afterMs: number): void {
    this.#answers.observe(afterMs / msPerSecond);
  }

  /** `read` is asked when somebody looks. */
  gauge(name: GaugeName, read: () => number | Promise<number>): void {
    new Gauge({
      name: prefix + name,
      help: gauges[name],
      registers: [this.#registry],
      // One that can not be read, as while a store is away, is left out, and holds up none of the others.
      async collect() {
        try {
          this.set(await within(gaugeMs, read()));
        } catch {
          this.remove();
        }
      },
    });
  }

  /** Prometheus text exposition. To make one takes milliseconds: however many ask, it is made once at a time. */
  exposition(): Promise<string> {
    const isOld = performance.now() - this.#exposedAt >= this.#maxAgeMs;
    if (this.#exposition === undefined || (isOld && !this.#isMaking)) this.#exposition = this.#make();
    return this.#exposition;
  }

  async #make(): Promise<string> {
    this.#isMaking = true;
    try {
      return await Registry.merge([this.#registry, ofProcess()]).metrics();
    } catch (error) {
      this.#exposition = undefined;
      throw error;
    } finally {
      this.#isMaking = false;
      this.#exposedAt = performance.now();
    }
  }
}

async function within<T>(ms: number, value: T | Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new RelayError('relay-busy', { details: { what: 'time for a gauge' } }));
    }, ms);
  });
  try {
    return await Promise.race([value, late]);
  } finally {
    clearTimeout(timer);
  }
}

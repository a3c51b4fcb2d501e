/** What a relay counts since it was made, by name and label. */
export class Metrics {
  readonly #counters = new Map<string, number>();
  readonly #gauges = new Map<string, () => number | Promise<number>>();

  count(name: CounterName, label = '', by = 1): void {
    const key = label === '' ? name : `${name}{${labels[name]}="${label}"}`;
    this.#counters.set(key, (this.#counters.get(key) ?? 0) + by);
  }

  gauge(name: GaugeName, read: () => number | Promise<number>): void {
    this.#gauges.set(name, read);
  }

  /** Prometheus text exposition format 0.0.4. */
  async exposition(): Promise<string> {
    const lines: string[] = [];
    for (const name of Object.keys(labels)) {
      const samples = [...this.#counters].filter(([key]) => key === name || key.startsWith(`${name}{`));
      lines.push(`# TYPE khala_relay_${name} counter`, ...samples.map(([key, value]) => `khala_relay_${key} ${value}`));
    }
    for (const [name, read] of this.#gauges)
      lines.push(`# TYPE khala_relay_${name} gauge`, `khala_relay_${name} ${await read()}`);
    return `${lines.join('\n')}\n`;
  }
}

// Labels take values of closed sets only, so the number of series is bounded.
const labels = {
  messages_total: 'status',
  refused_total: 'code',
  deliveries_total: 'path',
  acknowledged_total: 'path',
  logins_total: 'outcome',
  forwards_total: 'outcome',
  connections_closed_total: 'reason',
} as const;

export type CounterName = keyof typeof labels;
export type GaugeName =
  'connections' | 'logged_in' | 'in_flight' | 'mailboxes' | 'mailbox_messages' | 'mailbox_bytes' | 'forward_queue';

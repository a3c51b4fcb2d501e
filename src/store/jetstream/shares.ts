import type { Hex } from '../../codec/index.ts';
import type { Fill } from '../mail-quota.ts';
import type { MailHeader } from './header-scan.ts';
import { token } from './layout.ts';

/** More or fewer messages of one sender in a mailbox. */
export interface ShareChange extends Readonly<Fill> {
  /** Empty: they count for nobody. */
  readonly sender: string;
}

// Who fills a mailbox is among those that have most of it.
const maxSenders = 1_000;
const senderLength = 16;

/** As notes and notices have it: as good as the whole key, whose bytes nobody can choose. */
export function senderToken(sender: Hex): string {
  return token(sender).slice(0, senderLength);
}

/** What a mailbox holds of each sender, as far as memory goes. */
export class Shares {
  readonly #fills = new Map<string, Fill>();

  of(sender: string): Readonly<Fill> {
    return this.#fills.get(sender) ?? { count: 0, bytes: 0 };
  }

  change({ sender, count, bytes }: ShareChange): void {
    if (sender === '') return;
    const fill = this.#fills.get(sender) ?? { count: 0, bytes: 0 };
    fill.count += count;
    fill.bytes += bytes;
    if (fill.count > 0) this.#fills.set(sender, fill);
    else this.#fills.delete(sender);
    if (this.#fills.size > maxSenders) this.#forgetHalf();
  }

  #forgetHalf(): void {
    const bySize = [...this.#fills].sort(([, a], [, b]) => a.bytes - b.bytes || a.count - b.count);
    for (const [sender] of bySize.slice(0, maxSenders / 2)) this.#fills.delete(sender);
  }
}

/** By sender. */
export function sumBySender(messages: readonly Pick<MailHeader, 'sender' | 'size'>[], sign: 1 | -1): ShareChange[] {
  const sums = new Map<string, Fill>();
  for (const { sender, size } of messages) {
    const fill = sums.get(sender) ?? { count: 0, bytes: 0 };
    fill.count += sign;
    fill.bytes += sign * size;
    sums.set(sender, fill);
  }
  return Array.from(sums, ([sender, fill]) => ({ sender, ...fill }));
}

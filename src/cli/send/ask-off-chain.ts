import { createRequester, type Asked, type Reply } from '../../relay/index.ts';
import { rememberKey } from '../../worker-state/index.ts';
import { short } from '../output.ts';
import { bodyText, contentJson } from '../print-inbox.ts';
import { timeoutMs } from '../session.ts';
import { checkWayOffChain } from './check-way.ts';
import { senderOf, type Sending } from './sending.ts';

/**
 * Sends off chain from a fresh key and waits for what the recipient says to it. It is not queued: who asks waits for the
 * answer, and asks again.
 */
export async function askOffChain(
  sending: Sending,
  decodeReturn: ((output: Uint8Array) => unknown) | undefined,
): Promise<void> {
  const { context, chain, data, to, body, client } = sending;
  const { settings, output, signal } = context;
  checkWayOffChain(sending);
  const requester = createRequester({
    ...senderOf(sending),
    client,
    onNewerKey: (id, key) => rememberKey(chain, id, key, data.store),
    forwarders: settings.forwarder,
  });
  const asked = await requester.ask({ to, body, timeoutMs: timeoutMs(settings), signal });
  const { messageId, endpoint, status } = asked;
  output.print(
    { event: 'sent', messageId, via: 'relay', endpoint, status },
    `Sent ${short(messageId)} to ${endpoint}: ${status}.`,
  );
  printReply(sending, asked, await asked.reply, decodeReturn);
}

function printReply(
  { context, to }: Sending,
  { messageId: inReplyTo }: Asked,
  { messageId, content }: Reply,
  decodeReturn: ((output: Uint8Array) => unknown) | undefined,
): void {
  const { output } = context;
  if (content.length === 0) {
    output.print({ event: 'read', messageId, inReplyTo, from: to }, `${short(to)} has read it.`);
    return;
  }
  const value = decodeReturn === undefined ? {} : { value: decodeReturn(content) };
  const shown = 'value' in value ? JSON.stringify(value.value) : bodyText({ kind: 'data', content });
  output.print(
    { event: 'reply', messageId, inReplyTo, from: to, ...contentJson(content), ...value },
    `${short(to)} answers: ${shown}`,
  );
}

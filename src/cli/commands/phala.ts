import { Command, Option } from 'commander';
import { contractTopic, fromHex, toBytes, topicFromText, type BodyInput } from '../../codec/index.ts';
import { RelayError } from '../../errors/index.ts';
import { createPhalaListener } from '../../inbox/index.ts';
import { createCarrier } from '../../relay/index.ts';
import { action, command, withAccount, type Context } from '../command.ts';
import { bodyFrom } from '../message-input.ts';
import { short } from '../output.ts';
import { parseId } from '../parse-id.ts';
import { firstBlock, messageCount } from '../parse-number.ts';
import { printPhala } from '../print-phala.ts';
import type { SuriFlags } from '../secrets.ts';
import { orInterrupted } from '../send/or-interrupted.ts';
import { postOne } from '../send/post-one.ts';
import { relayClientOf, withMaxFee, withTip } from '../send/queue-options.ts';
import { Recipients } from '../send/recipients.ts';
import { paying } from '../send/sending.ts';
import { tellNotice } from '../tell-notice.ts';
import { dataFolder, mayReachPrivate, openChain, openData, payingAccount, timeoutMs, verified } from '../session.ts';
import { letterCommands } from './phala-letters.ts';
import { topicText } from '../topic-text.ts';
import { unlockVault } from '../unlock-vault.ts';
import { warn } from '../warn.ts';

interface TopicFlags {
  readonly contract?: string;
  readonly topic?: string;
}

interface SendFlags extends SuriFlags, TopicFlags {
  readonly key?: string;
  readonly file?: string;
  readonly as: 'worker' | 'account';
  readonly wait: 'inBlock' | 'finalized';
  readonly tip?: bigint;
  readonly maxFee?: bigint;
}

interface ListenFlags {
  readonly contract: readonly string[];
  readonly topic: readonly string[];
  readonly from?: string;
  readonly count?: string;
}

const chainSettings = ['ws', 'genesis', 'vault', 'timeout'] as const;
const repeated = (value: string, earlier: readonly string[]): string[] => [...earlier, value];

/** `phala send` and `phala listen`: protocol.md §6. */
export function phalaCommand(description: string): Command {
  const send = command(
    'send',
    "seal a command to a contract's key and post it on the contract's topic, by the outbox",
    [...chainSettings, 'data', 'allowPrivate'],
  )
    .argument('[text]', 'what the contract decodes, or - for standard input')
    .option('--contract <id>', "contract: its id; stands for its topic and the chain's key of it")
    .option('--topic <topic>', 'another topic, as text or 0x-hex; needs --key unless it is that of a contract')
    .option('--key <hex>', 'EcdhKey to seal to (default: the key of the contract on chain)')
    .option('--file <path>', 'file that is the command')
    .addOption(new Option('--as <sender>', 'who posts it').choices(['worker', 'account']).default('worker'))
    .addOption(new Option('--wait <state>', 'what to wait for').choices(['inBlock', 'finalized']).default('inBlock'));
  const listen = command(
    'listen',
    'read topics in the form of contracts: each posting once, when its block is finalized',
    [...chainSettings, ...(['quorum', 'verify', 'data', 'onGap'] as const)],
  )
    .option('--contract <id>', 'topic of the commands to this contract; repeats', repeated, [])
    .option('--topic <topic>', 'another topic, as text or 0x-hex; repeats', repeated, [])
    .option('--from <block>', 'first block to read where nothing was read before, or head: from now on (default)')
    .option('--count <n>', 'end after this many messages');
  const [dead, retry] = letterCommands();
  return new Command('phala')
    .description(description)
    .addCommand(
      withMaxFee(withTip(withAccount(send)), 'command').action(
        action<SendFlags, [string | undefined]>(1, (context, text) =>
          orInterrupted(
            () => sendPhala(context, text),
            () => ({ queued: 0 }),
          ),
        ),
      ),
    )
    .addCommand(listen.action(action<ListenFlags>(0, listenPhala)))
    .addCommand(dead)
    .addCommand(retry);
}

async function sendPhala(context: Context<SendFlags>, text: string | undefined): Promise<void> {
  const { settings, flags, output, signal } = context;
  const topic = topicOfFlags(flags);
  const content = contentOf(bodyFrom(text, flags.file === undefined ? {} : { file: flags.file }, undefined));
  const recipientKey = flags.key === undefined ? {} : { recipientKey: fromHex(flags.key, 'The key') };
  const account = payingAccount(flags);
  await using vault = await unlockVault(settings);
  await using chain = await openChain(settings, signal);
  await using data = await openData(dataFolder(settings, vault), chain, 'outbox');
  const directory = new Recipients(chain, data.store, {});
  const allowPrivate = mayReachPrivate(settings, chain);
  await using client = relayClientOf(settings, chain);
  // Messages that wait for their recipients in the same queue go as they would by any other command.
  const carrier = createCarrier({ client, directory, entity: { vault, genesisHash: chain.genesisHash }, allowPrivate });
  const {
    messageId,
    blockHash,
    blockNumber: block,
  } = await postOne(
    { chain, vault, account, store: data.store, directory, carrier, ...paying(flags) },
    (outbox) => outbox.send({ suite: 'phala', topic, content, as: flags.as, ...recipientKey }),
    { wait: flags.wait, timeoutMs: timeoutMs(settings), output, signal },
  );
  output.print(
    { event: 'sent', messageId, suite: 'phala', via: 'chain', topic: topicText(topic), blockHash, block },
    `Sent ${short(messageId)} to ${topicText(topic)} in block ${block} (${short(blockHash)}).`,
  );
}

/** Without --invoke a body is nothing but data. */
function contentOf(body: BodyInput): Uint8Array {
  return toBytes(body.kind === 'invocation' ? body.input : body.content, 'The content');
}

/** Throws bad-setting. */
function topicOfFlags({ contract, topic }: TopicFlags): Uint8Array {
  if (contract !== undefined && topic === undefined) return contractTopic(parseId(contract));
  if (topic !== undefined && contract === undefined) return topicFromText(topic);
  throw new RelayError('bad-setting', { details: { name: 'topic', reason: 'give one of --contract and --topic' } });
}

async function listenPhala({ settings, flags, output, signal, interrupted }: Context<ListenFlags>): Promise<void> {
  const topics = [...flags.contract.map((id) => contractTopic(parseId(id))), ...flags.topic.map(topicFromText)];
  if (topics.length === 0)
    throw new RelayError('bad-setting', { details: { name: 'topic', reason: 'give a --contract or a --topic' } });
  const first = flags.from === undefined ? {} : { from: firstBlock(flags.from) };
  const count = flags.count === undefined ? {} : { count: messageCount(flags.count) };
  await using vault = await unlockVault(settings);
  await using chain = await openChain(settings, signal);
  await using data = await openData(dataFolder(settings, vault), chain, 'phala');
  const reading = { topics, onGap: settings.onGap, onNotice: tellNotice, ...verified(settings), ...first };
  await using listener = createPhalaListener({ chain, vault, store: data.store, ...reading });
  await listener.start();
  await Promise.race([listener.ready, interrupted]);
  if (signal.aborted) return;
  const names = topics.map(topicText);
  output.print({ event: 'ready', identity: vault.identity, topics: names }, `Listening on ${names.join(', ')}.`);
  await printPhala(listener, output, { until: interrupted, warn, ...count });
}

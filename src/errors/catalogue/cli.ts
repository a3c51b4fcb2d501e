import type { CatalogueEntry } from './entry.ts';

export const cliErrors = {
  'bad-setting': {
    message: 'The setting {name} is not valid: {reason}.',
    remedy: 'See khala-relay help, or docs/configuration.md for units and defaults.',
    usage: true,
  },
  'missing-setting': {
    message: 'The setting {name} is needed.',
    remedy: 'Give it as --{flag}, as {variable} in the environment, or in khala-relay.toml.',
    usage: true,
  },
  'bad-config-file': {
    message: 'The configuration file {path} can not be used: {reason}.',
    remedy: 'Mend the file, or name another with --config.',
    usage: true,
  },
  'secret-by-flag': {
    message: 'Secrets are not taken by flag, where other users of the machine can read them.',
    remedy:
      'Set KHALA_RELAY_SURI, or give --suri-fd N; --suri takes the well-known development accounts only: //Alice, //Bob, //Charlie, //Dave, //Eve, //Ferdie, and //Alice//stash and so on.',
    usage: true,
  },
  'no-passphrase': {
    message: 'The vault needs a passphrase, and there is no terminal to ask at.',
    remedy: 'Set KHALA_RELAY_PASSPHRASE.',
    usage: true,
  },
  'not-confirmed': {
    message: 'Nothing was done: the question was not answered with "yes".',
    remedy: 'Answer at a terminal, or give --yes.',
    usage: true,
  },
  'needs-vault-file': {
    message: 'The command {command} works on the file of a vault, which an agent does not hand out.',
    remedy: 'Give the path of the file with --vault.',
    usage: true,
  },
  'bad-input': {
    message: 'The message can not be read: {reason}.',
    remedy: 'Give TEXT, --file FILE, or - to read standard input.',
    usage: true,
  },
  'no-such-letter': {
    message: 'Among the messages that could not be delivered there is none of number {numbers}.',
    remedy: 'See those there are with khala-relay inbox dead, or phala dead; those that were named beside it are done.',
    usage: true,
  },
  'not-delivered-yet': {
    message: 'Sent, and not delivered yet, as far as that is told ({count}).',
    remedy:
      'It may come later: outbox send --wait delivered waits on, for 25 h after the message went, and outbox ls shows it.',
  },
  'not-read-yet': {
    message: 'Sent, and no word yet that it was read ({count}).',
    remedy:
      'It may come later: outbox send --wait read waits on, for 7 days after the message went, and outbox ls shows it. A recipient gives such a word only with --acknowledge.',
  },
  'still-queued': {
    message: 'Not sent yet, and kept in the queue ({count}): {reason}.',
    remedy:
      'It goes with the next khala-relay send or outbox send, on chain where that has an account and it was not sent with --via relay, or while serve runs; outbox ls shows it.',
  },
  interrupted: {
    message: 'Interrupted: {left}.',
    remedy:
      'What is queued goes with the next khala-relay send or outbox send, or while serve runs; what is sent anew beside it comes twice.',
  },
  'posting-interrupted': {
    message: 'Interrupted: {left}.',
    remedy: 'See with khala-relay workers what has come; the same command once more makes up for what has not.',
  },
  'no-endpoint': {
    message: '{id} has published no endpoint, and the message is not queued.',
    remedy: 'Send with --via chain and an account that pays, or ask it to run khala-relay endpoint set.',
  },
  internal: {
    message: 'Something unexpected happened: {reason}.',
    remedy: 'Report it, with what KHALA_RELAY_DEBUG=1 prints.',
  },
  'no-data': {
    message: 'There are no data of a chain in {path}.',
    remedy: 'Check --vault or --data, and --genesis where it is given; send and listen make the folder.',
    usage: true,
  },
  'many-chains': {
    message: 'The data are of several chains: {chains}.',
    remedy: 'Say which with --genesis: the genesis hash, or as many of its digits.',
    usage: true,
  },
} as const satisfies Record<string, CatalogueEntry>;

export { keepPresence } from './keep-presence.ts';
export type { EcdhKeysInUse, KeepPresenceOptions, Presence, PresenceEvent } from './keep-presence.ts';
export type { PresenceOptions } from './presence-options.ts';
export { checkEndpoints, publishEndpoints } from './publish.ts';
export { registerEntity } from './register.ts';
export { rotateEntity } from './rotate.ts';
export type { Rotation } from './rotate.ts';

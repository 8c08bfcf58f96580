// Which version of MQTT to speak with a broker outside: 5, unless it says that it does not speak it, or closes without a
// word again and again, as some brokers of the time before MQTT 5 do. What proxies and restarting brokers do now and
// then looks the same, and 3.1.1 carries neither content types nor user properties: so silence counts for little.

export type VersionChoice =
  /** Nobody knows yet; so many connections in a row ended in silence. */
  | { readonly kind: 'trying'; readonly silent: number }
  /** The broker has let a client in with MQTT 5. */
  | { readonly kind: 'five' }
  /** Silence was taken for a refusal; for one connection. */
  | { readonly kind: 'fallback' }
  /** The broker says that it does not speak MQTT 5. */
  | { readonly kind: 'refused' };

/** How a connection went. */
export interface ConnectionStory {
  /** The broker let this client in. */
  readonly answered: boolean;
  /** The broker says that it does not speak this version. */
  readonly refusesVersion: boolean;
  /** It was connected to, and closed without any answer. */
  readonly silent: boolean;
}

export const FIRST_CHOICE: VersionChoice = { kind: 'trying', silent: 0 };
/** For the log, when a fallback begins. */
export const FALLBACK_WARNING =
  'MQTT: the broker closes without a word where MQTT 5 is spoken, trying 3.1.1 once: it carries no content types and no user properties';
const SILENT_MAX = 3;

/** The version of the next connection. */
export function versionOf({ kind }: VersionChoice): 4 | 5 {
  return kind === 'fallback' || kind === 'refused' ? 4 : 5;
}

/** What is known when a connection of the chosen version has ended. */
export function afterConnection(choice: VersionChoice, end: ConnectionStory): VersionChoice {
  if (end.refusesVersion && versionOf(choice) === 5) return { kind: 'refused' };
  switch (choice.kind) {
    case 'five':
    case 'refused':
      return choice;
    case 'fallback':
      return FIRST_CHOICE;
    case 'trying': {
      if (end.answered) return { kind: 'five' };
      const silent = end.silent ? choice.silent + 1 : 0;
      return silent < SILENT_MAX ? { kind: 'trying', silent } : { kind: 'fallback' };
    }
  }
}

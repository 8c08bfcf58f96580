// What the demo hands to the chart page when it opens: a token, what to look at first, and what each asset really is.
import { assetNotes, demoUnits, RIG_ASSET } from './channels.ts';
import { readRecordings } from './replay.ts';

/** The body of `GET /demo/session`, which only the demo serves, and only on loopback. */
export interface DemoSession {
  readonly token: string;
  /** The page's opening view, as the query of its URL. */
  readonly view: string;
  /** By asset: a sentence that the page shows beside the asset's series. */
  readonly notes: Readonly<Record<string, string>>;
  /** By `asset/channel`: units of series to which no rule gives one. */
  readonly units: Readonly<Record<string, string>>;
}

/** What a driller looks at; what begins with ~ shares the pane of the one before it. */
const OPENING_CHANNELS = [
  'drilling/activity',
  'drilling/block_position',
  'drilling/bit_depth',
  '~drilling/hole_depth',
  'drilling/hook_load',
  'drilling/weight_on_bit',
  'drilling/rpm',
  'drilling/torque',
  'mud/flow_in',
  'mud/standpipe_pressure',
] as const;

/** The session for a token. */
export function demoSession(token: string): DemoSession {
  const query = new URLSearchParams({ live: '15m' });
  for (const channel of OPENING_CHANNELS) {
    const shares = channel.startsWith('~');
    query.append('s', `${shares ? '~' : ''}${RIG_ASSET}/${shares ? channel.slice(1) : channel}`);
  }
  return {
    token,
    view: query.toString(),
    notes: assetNotes,
    units: demoUnits(readRecordings().timeLog),
  };
}

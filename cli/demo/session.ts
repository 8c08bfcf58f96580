// What the demo hands to the chart page when it opens: a token, what to look at first, and what each asset really is.
import { assetNotes, RIG_ASSET } from './channels.ts';

/** The body of `GET /demo/session`, which only the demo serves, and only on loopback. */
export interface DemoSession {
  readonly token: string;
  /** The page's opening view, as the query of its URL. */
  readonly view: string;
  /** By asset: a sentence that the page shows beside the asset's series. */
  readonly notes: Readonly<Record<string, string>>;
}

/** What a driller looks at. */
const OPENING_CHANNELS = [
  'drilling/activity',
  'drilling/block_position',
  'drilling/bit_depth',
  'drilling/hole_depth',
  'drilling/hook_load',
  'drilling/weight_on_bit',
  'drilling/rpm',
  'drilling/torque',
  'mud/flow_in',
  'mud/standpipe_pressure',
] as const;

/** The session for a token. */
export function demoSession(token: string): DemoSession {
  const query = new URLSearchParams(
    OPENING_CHANNELS.map((channel) => ['s', `${RIG_ASSET}/${channel}`]),
  );
  query.set('live', '15m');
  return { token, view: query.toString(), notes: assetNotes };
}

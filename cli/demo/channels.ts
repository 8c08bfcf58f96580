// What the demo publishes: which asset says openly what it is, which channels there are, and in which unit each is.
import type { Recording } from './replay.ts';
import { type RigState, sensorNoise } from './rig.ts';

export const DEMO_TENANT = 'demo';

/** The simulated rig. */
export const RIG_ASSET = 'rig-sim-1';
/** NAB's series at their own pace: one reading every 5 minutes, shifted to now. */
export const NAB_ASSET = 'nab-replay';
/** The same series 300 times faster: one reading a second. */
export const NAB_FAST_ASSET = 'nab-replay-x300';
/** The WITSML time log 60 times faster: one row every 10 seconds, over and over. */
export const WITSML_ASSET = 'witsml-replay-x60';
/** Its curves stand below this part of the topic. */
export const TIME_LOG_GROUP = 'log';

/** What a person has to know about each asset before believing it. The page shows it beside the asset's series. */
export const assetNotes: Readonly<Record<string, string>> = {
  [RIG_ASSET]: 'Simulated rig: made up by the demo, no real well.',
  [NAB_ASSET]: 'Real data (NAB, recorded 2013–2014), replayed with its times shifted to now.',
  [NAB_FAST_ASSET]:
    'Real data (NAB, recorded 2013–2014), replayed 300 times faster, times shifted to now.',
  [WITSML_ASSET]:
    'Real drilling log (WITSML 1.4.1.1, recorded 2001), seven rows replayed 60 times faster in a loop, times shifted to now.',
};

interface RigChannel {
  /** Last part of the topic: channels of one group travel in one message. */
  readonly group: 'drilling' | 'mud';
  readonly key: string;
  readonly unit: string;
  readonly decimals: number;
  readonly read: (state: RigState) => number;
  /** How far the sensor's noise goes either way, where it is not in the machine's movement already. */
  readonly noise?: (state: RigState) => number;
}

/** Channels of the simulated rig, in WITSML's symbols of units. */
export const rigChannels: readonly RigChannel[] = [
  { group: 'drilling', key: 'block_position', unit: 'm', decimals: 2, read: (s) => s.blockM },
  { group: 'drilling', key: 'hook_load', unit: 'klbf', decimals: 1, read: (s) => s.hookLoadKlbf },
  { group: 'drilling', key: 'weight_on_bit', unit: 'klbf', decimals: 1, read: (s) => s.wobKlbf },
  { group: 'drilling', key: 'bit_depth', unit: 'm', decimals: 2, read: (s) => s.bitM },
  { group: 'drilling', key: 'hole_depth', unit: 'm', decimals: 2, read: (s) => s.holeM },
  { group: 'drilling', key: 'rop', unit: 'm/h', decimals: 1, read: (s) => s.ropMph },
  {
    group: 'drilling',
    key: 'rpm',
    unit: 'rpm',
    decimals: 1,
    read: (s) => s.rpm,
    noise: (s) => s.rpm * 0.006,
  },
  { group: 'drilling', key: 'torque', unit: 'kft.lbf', decimals: 2, read: (s) => s.torqueKftLbf },
  {
    group: 'mud',
    key: 'flow_in',
    unit: 'L/min',
    decimals: 0,
    read: (s) => s.flowLpm,
    noise: (s) => s.flowLpm * 0.004,
  },
  { group: 'mud', key: 'standpipe_pressure', unit: 'bar', decimals: 1, read: (s) => s.pressureBar },
];

/** The groups of a rig's channels, each of which is a topic. */
export const rigGroups = ['drilling', 'mud'] as const;
export type RigGroup = (typeof rigGroups)[number];

/** What a channel's sensor shows. */
export function rigReading(state: RigState, channel: RigChannel): number {
  const noise = (channel.noise?.(state) ?? 0) * sensorNoise(state, rigChannels.indexOf(channel));
  return Number((channel.read(state) + noise).toFixed(channel.decimals));
}

/** A rig's readings of one group, as a payload's `values`. */
export function rigValues(state: RigState, group: RigGroup): Record<string, number | string> {
  const values: Record<string, number | string> = {};
  for (const channel of rigChannels) {
    if (channel.group === group) values[channel.key] = rigReading(state, channel);
  }
  return values;
}

/** The channel that says in words what the crew does. */
export const ACTIVITY_KEY = 'activity';

/** Unit of a series of the demo by `asset/channel`: MQTT's JSON says none, and the default topic rule gives none. */
export function demoUnits(timeLog: Recording): Record<string, string> {
  const units: Record<string, string> = {};
  for (const { group, key, unit } of rigChannels) units[`${RIG_ASSET}/${group}/${key}`] = unit;
  for (const asset of [NAB_ASSET, NAB_FAST_ASSET]) units[`${asset}/ec2_cpu`] = '%';
  for (const [mnemonic, unit] of Object.entries(timeLog.units)) {
    units[`${WITSML_ASSET}/${TIME_LOG_GROUP}/${mnemonic}`] = unit;
  }
  return units;
}

/** Topic of a channel, or of a group of sub-channels, under the default topic rule. */
export function topicOf(asset: string, channel: string): string {
  return `t/${DEMO_TENANT}/${asset}/${channel}`;
}

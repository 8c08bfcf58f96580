// A simulated rotary rig: a small deterministic machine that drills stands, makes connections and trips. It is no model
// of any real rig; it moves as one does, so that a live chart of it looks like a drilling screen.

/** What the crew is doing. */
type Activity =
  | 'drilling'
  | 'reaming'
  | 'connection'
  | 'going to bottom'
  | 'pulling out'
  | 'running in'
  | 'trip connection';

/** One instant. The names end in their units. */
export interface RigState {
  readonly phase: Activity;
  /** Seconds since the phase began. */
  readonly phaseS: number;
  /** Stands drilled since the last trip. */
  readonly standsDrilled: number;
  /** Stands still to be pulled, then to be run, of the trip under way. */
  readonly standsToPull: number;
  readonly standsToRun: number;
  readonly blockM: number;
  readonly bitM: number;
  readonly holeM: number;
  readonly rpm: number;
  readonly flowLpm: number;
  readonly pressureBar: number;
  readonly torqueKftLbf: number;
  readonly hookLoadKlbf: number;
  readonly wobKlbf: number;
  readonly ropMph: number;
  /** Slow wandering of the formation's strength, -1 to 1. */
  readonly formation: number;
  /** The noise generator's state. */
  readonly seed: number;
}

const STAND_M = 27;
/** The block's lowest and highest place above the floor. */
export const BLOCK_LOW_M = 1.5;
const BLOCK_BREAK_M = 4.5;
export const BLOCK_HIGH_M = BLOCK_BREAK_M + STAND_M;
const STANDS_BETWEEN_TRIPS = 5;
const STANDS_OF_A_TRIP = 4;
/** Where a hole that is begun anew begins. */
export const HOLE_START_M = 1_850;

const FLOW_LPM = 2_450;
const ROTARY_RPM = 128;
const WOB_KLBF = 24;
const BLOCK_WEIGHT_KLBF = 38;

/** What each phase does to the machine, and how the block moves in it. */
interface Phase {
  readonly pumps: boolean;
  readonly rotary: boolean;
  /** The string hangs on the block: bit and block move together. Otherwise it stands in the slips. */
  readonly hanging: boolean;
  readonly blockToM: (state: RigState) => number;
  readonly blockSpeedMps: number;
  /** The block stands still for so long, and the phase lasts at least so long. */
  readonly waitS: number;
  readonly leastS: number;
}

const upFromBottom = (): number => BLOCK_BREAK_M;
const toTop = (): number => BLOCK_HIGH_M;

const phases: Readonly<Record<Activity, Phase>> = {
  drilling: {
    pumps: true,
    rotary: true,
    hanging: true,
    blockToM: () => BLOCK_LOW_M,
    blockSpeedMps: 0,
    waitS: 0,
    leastS: 0,
  },
  reaming: {
    pumps: true,
    rotary: true,
    hanging: true,
    blockToM: upFromBottom,
    blockSpeedMps: 0.12,
    waitS: 8,
    leastS: 55,
  },
  connection: {
    pumps: false,
    rotary: false,
    hanging: false,
    blockToM: toTop,
    blockSpeedMps: 0.5,
    waitS: 45,
    leastS: 165,
  },
  'going to bottom': {
    pumps: true,
    rotary: true,
    hanging: true,
    blockToM: (state) => state.blockM - (state.holeM - state.bitM),
    blockSpeedMps: 0.08,
    waitS: 35,
    leastS: 60,
  },
  'pulling out': {
    pumps: false,
    rotary: false,
    hanging: true,
    blockToM: toTop,
    blockSpeedMps: 0.42,
    waitS: 4,
    leastS: 0,
  },
  'running in': {
    pumps: false,
    rotary: false,
    hanging: true,
    blockToM: upFromBottom,
    blockSpeedMps: 0.48,
    waitS: 4,
    leastS: 0,
  },
  'trip connection': {
    pumps: false,
    rotary: false,
    hanging: false,
    blockToM: (state) => (state.standsToPull > 0 ? BLOCK_BREAK_M : BLOCK_HIGH_M),
    blockSpeedMps: 0.7,
    waitS: 18,
    leastS: 70,
  },
};

/** The rig about to drill a stand at a depth (default: the start of its hole). The same seed gives the same rig. */
export function startRig(seed: number, holeM: number = HOLE_START_M): RigState {
  return {
    phase: 'drilling',
    phaseS: 0,
    standsDrilled: 0,
    standsToPull: 0,
    standsToRun: 0,
    blockM: BLOCK_LOW_M + STAND_M,
    bitM: holeM,
    holeM,
    rpm: ROTARY_RPM,
    flowLpm: FLOW_LPM,
    pressureBar: pressureAt(FLOW_LPM, holeM),
    torqueKftLbf: 12,
    hookLoadKlbf: stringKlbf(holeM),
    wobKlbf: WOB_KLBF,
    ropMph: 80,
    formation: 0,
    seed: seed >>> 0,
  };
}

/**
 * The rig `dtS` seconds later (0 to 5). Pure: noise comes from the state's own generator. While drilling the bit is at
 * the bottom, and the hole never gets shallower.
 */
export function stepRig(state: RigState, dtS: number): RigState {
  const phase = phases[state.phase];
  const noise = noiseOf(state.seed);
  const formation = clamp(state.formation + noise.slow * 0.035 * Math.sqrt(dtS), -1, 1);
  const moved = move(state, phase, formation, dtS);
  const driven = drive({ ...state, ...moved, formation, seed: noise.seed }, phase, noise, dtS);
  return isOver(state, driven, phase) ? begin(driven) : driven;
}

type Moved = Pick<RigState, 'blockM' | 'bitM' | 'holeM' | 'phaseS'>;

function move(state: RigState, phase: Phase, formation: number, dtS: number): Moved {
  const phaseS = state.phaseS + dtS;
  if (state.phase === 'drilling') {
    const metres = Math.min(
      (penetrationMph(state, formation) / 3600) * dtS,
      state.blockM - BLOCK_LOW_M,
    );
    const holeM = state.holeM + metres;
    return { blockM: state.blockM - metres, bitM: holeM, holeM, phaseS };
  }
  const way = phaseS < phase.waitS ? 0 : phase.blockToM(state) - state.blockM;
  const metres = Math.sign(way) * Math.min(Math.abs(way), phase.blockSpeedMps * dtS);
  const bitM = phase.hanging ? Math.min(state.bitM - metres, state.holeM) : state.bitM;
  return { blockM: state.blockM + metres, bitM, holeM: state.holeM, phaseS };
}

/** Everything that follows the movement: each quantity approaches its aim with a time constant of its own. */
function drive(state: RigState, phase: Phase, noise: Noise, dtS: number): RigState {
  const onBottom = state.phase === 'drilling';
  const flowLpm = approach(state.flowLpm, phase.pumps ? FLOW_LPM : 0, phase.pumps ? 7 : 4, dtS);
  const rpm = approach(state.rpm, phase.rotary ? ROTARY_RPM : 0, phase.rotary ? 5 : 2.5, dtS);
  const wobAim = onBottom
    ? WOB_KLBF * (1 + 0.12 * state.formation) * Math.min(1, state.phaseS / 40)
    : 0;
  const wobKlbf = Math.max(
    0,
    approach(state.wobKlbf, wobAim, 4, dtS) + (onBottom ? noise.a * 0.5 : 0),
  );
  const torqueAim =
    (rpm / ROTARY_RPM) * (4.2 + state.bitM / 1_900 + wobKlbf * (0.26 + 0.05 * state.formation));
  const speed = phase.hanging && state.phaseS >= phase.waitS ? phase.blockSpeedMps : 0;
  const drag = state.phase === 'running in' ? -speed : speed;
  const hangs = phase.hanging ? stringKlbf(state.bitM) - wobKlbf + drag * 28 : BLOCK_WEIGHT_KLBF;
  return {
    ...state,
    flowLpm,
    rpm,
    wobKlbf,
    pressureBar: approach(state.pressureBar, pressureAt(flowLpm, state.bitM), 3, dtS),
    torqueKftLbf: Math.max(
      0,
      approach(state.torqueKftLbf, torqueAim, 2, dtS) + noise.b * rpm * 0.0018,
    ),
    hookLoadKlbf:
      approach(state.hookLoadKlbf, hangs, phase.hanging ? 3 : 1.5, dtS) + noise.c * 0.25,
    ropMph: onBottom
      ? approach(state.ropMph, penetrationMph(state, state.formation), 12, dtS)
      : approach(state.ropMph, 0, 2, dtS),
  };
}

function isOver(before: RigState, now: RigState, phase: Phase): boolean {
  const there = Math.abs(now.blockM - phase.blockToM(before)) < 1e-6;
  return there && now.phaseS >= Math.max(phase.leastS, phase.waitS);
}

/** The phase that follows, with the counts of stands that go with it. */
function begin(state: RigState): RigState {
  const next = { ...state, phaseS: 0 };
  switch (state.phase) {
    case 'drilling':
      return { ...next, phase: 'reaming', standsDrilled: state.standsDrilled + 1 };
    case 'reaming':
      if (state.standsDrilled < STANDS_BETWEEN_TRIPS) return { ...next, phase: 'connection' };
      return { ...next, phase: 'pulling out', standsDrilled: 0, standsToPull: STANDS_OF_A_TRIP };
    case 'pulling out':
      return { ...next, phase: 'trip connection' };
    case 'running in':
      if (state.standsToRun > 0) return { ...next, phase: 'trip connection' };
      return { ...next, phase: 'connection' };
    case 'trip connection':
      return tripConnectionDone(next);
    case 'connection':
      return { ...next, phase: 'going to bottom' };
    case 'going to bottom':
      return { ...next, phase: 'drilling' };
  }
}

/** The block goes down for each stand racked back, turns at the last one, and goes up for each stand run. */
function tripConnectionDone(state: RigState): RigState {
  if (state.standsToPull > 1) {
    return { ...state, phase: 'pulling out', standsToPull: state.standsToPull - 1 };
  }
  if (state.standsToPull === 1) {
    return { ...state, phase: 'trip connection', standsToPull: 0, standsToRun: STANDS_OF_A_TRIP };
  }
  return { ...state, phase: 'running in', standsToRun: state.standsToRun - 1 };
}

function penetrationMph(state: RigState, formation: number): number {
  const bedding = 0.55 * Math.sin(state.holeM / 9.5) + 0.3 * Math.sin(state.holeM / 2.7);
  return Math.max(18, (78 - 22 * bedding - 24 * formation) * Math.min(1, 0.15 + state.phaseS / 60));
}

/** Weight of block and string in mud, at rest. */
function stringKlbf(bitM: number): number {
  return BLOCK_WEIGHT_KLBF + 72 + bitM * 0.048;
}

/** Friction grows with a power of the flow a little below 2, and with the length of pipe. */
function pressureAt(flowLpm: number, bitM: number): number {
  return (flowLpm / FLOW_LPM) ** 1.86 * (118 + bitM * 0.033);
}

/** Noise of one of a state's sensors, -1 to 1: the same for the same state, whatever else is read of it. */
export function sensorNoise(state: RigState, sensor: number): number {
  return mixed(state.seed, 16 + sensor);
}

interface Noise {
  readonly seed: number;
  readonly slow: number;
  readonly a: number;
  readonly b: number;
  readonly c: number;
}

/** Four numbers from -1 to 1 for one step. */
function noiseOf(seed: number): Noise {
  const next = (seed + Math.imul(5, 0x9e3779b9)) >>> 0;
  return {
    seed: next,
    slow: mixed(seed, 1),
    a: mixed(seed, 2),
    b: mixed(seed, 3),
    c: mixed(seed, 4),
  };
}

/** The n-th number from -1 to 1 of a seed, by the finisher of MurmurHash3 (public domain). */
function mixed(seed: number, n: number): number {
  let z = (seed + Math.imul(n, 0x9e3779b9)) >>> 0;
  z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
  z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
  return ((z ^ (z >>> 16)) >>> 0) / 2 ** 31 - 1;
}

function approach(value: number, aim: number, timeConstantS: number, dtS: number): number {
  return aim + (value - aim) * Math.exp(-dtS / timeConstantS);
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, value));
}

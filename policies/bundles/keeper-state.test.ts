// Every event in every state: where it leads, or that it cannot be.
import { expect, test } from 'vitest';
import { type KeeperEvent, type KeeperState, step, WAITING } from './keeper-state.ts';

const BUNDLE = { revision: '1', digest: 'a', activatedMs: 100, confirmedMs: 100 };
const FAULT = { code: 'c', detail: 'd', atMs: 5 };
const STATES = {
  waiting: WAITING,
  'waiting for a trial': { at: 'waiting', trying: 'b' },
  'in force': { at: 'in_force', bundle: BUNDLE, fault: FAULT },
  'in force with a trial': { at: 'in_force', bundle: BUNDLE, trying: 'b' },
  'over age': { at: 'over_age', bundle: BUNDLE, fault: FAULT },
} satisfies Record<string, KeeperState>;
const NEXT = { ...BUNDLE, revision: '2', digest: 'b' };
const EVENTS = {
  candidate: { kind: 'candidate', digest: 'b' },
  activated: { kind: 'activated', bundle: NEXT },
  refused: { kind: 'refused', fault: FAULT },
  source_failed: { kind: 'source_failed', fault: FAULT },
  confirmed: { kind: 'confirmed', atMs: 200 },
  early: { kind: 'time', nowMs: 150, ageMaxMs: 50 },
  late: { kind: 'time', nowMs: 151, ageMaxMs: 50 },
} satisfies Record<string, KeeperEvent>;

const THROWS = 'throws';
const confirmed = { at: 'in_force', bundle: { ...BUNDLE, confirmedMs: 200 } };
const WHERE: Record<keyof typeof STATES, Record<keyof typeof EVENTS, object | typeof THROWS>> = {
  waiting: {
    ...{ candidate: { at: 'waiting', trying: 'b' }, activated: THROWS, refused: THROWS },
    ...{ source_failed: { at: 'waiting', fault: FAULT }, confirmed: THROWS },
    ...{ early: WAITING, late: WAITING },
  },
  'waiting for a trial': {
    ...{ candidate: THROWS, activated: { at: 'in_force', bundle: NEXT } },
    ...{ refused: { at: 'waiting', fault: FAULT }, confirmed: THROWS },
    source_failed: { at: 'waiting', trying: 'b', fault: FAULT },
    ...{ early: STATES['waiting for a trial'], late: STATES['waiting for a trial'] },
  },
  'in force': {
    ...{ candidate: { ...STATES['in force'], trying: 'b' }, activated: THROWS, refused: THROWS },
    ...{ source_failed: STATES['in force'], confirmed },
    ...{ early: STATES['in force'], late: { ...STATES['in force'], at: 'over_age' } },
  },
  'in force with a trial': {
    ...{ candidate: THROWS, activated: { at: 'in_force', bundle: NEXT } },
    ...{ refused: { at: 'in_force', bundle: BUNDLE, fault: FAULT }, confirmed: THROWS },
    source_failed: { ...STATES['in force with a trial'], fault: FAULT },
    early: STATES['in force with a trial'],
    late: { ...STATES['in force with a trial'], at: 'over_age' },
  },
  'over age': {
    ...{ candidate: { ...STATES['over age'], trying: 'b' }, activated: THROWS, refused: THROWS },
    ...{ source_failed: STATES['over age'], confirmed },
    ...{ early: { ...STATES['over age'], at: 'in_force' }, late: STATES['over age'] },
  },
};

const ROWS = Object.entries(WHERE).flatMap(([state, row]) =>
  Object.entries(row).map(([event, where]) => ({ state, event, where })),
);
test.each(ROWS)('$event while $state', ({ state, event, where }) => {
  const from = STATES[state as keyof typeof STATES];
  const go = () => step(from, EVENTS[event as keyof typeof EVENTS]);
  if (where === THROWS) expect(go).toThrow(/cannot have/);
  else expect(go()).toEqual(where);
});

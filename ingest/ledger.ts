// The account of readings. Whatever was received is in exactly one place: settled under one outcome, or in flight.

export const OUTCOMES = ['inserted', 'duplicate', 'corrected', 'dead_lettered', 'ignored'] as const;
export type Outcome = (typeof OUTCOMES)[number];

export interface Ledger {
  /** Notes readings as received and in flight. */
  receive(readings: number): void;
  /** Moves readings from in flight to an outcome. */
  settle(outcome: Outcome, readings: number): void;
  readonly inFlight: number;
  /** Readings since the start, by outcome, and `received`: always the sum of the outcomes and of what is in flight. */
  totals(): Readonly<Record<Outcome | 'received', number>>;
}

/** Opens an empty ledger. Settling more than is in flight is a mistake of the program, and throws. */
export function createLedger(): Ledger {
  const totals = {
    received: 0,
    inserted: 0,
    duplicate: 0,
    corrected: 0,
    dead_lettered: 0,
    ignored: 0,
  };
  let inFlight = 0;
  return {
    receive(readings) {
      totals.received += readings;
      inFlight += readings;
    },
    settle(outcome, readings) {
      if (readings > inFlight) {
        throw new Error(`${readings} readings are ${outcome}, but only ${inFlight} are in flight`);
      }
      totals[outcome] += readings;
      inFlight -= readings;
    },
    get inFlight() {
      return inFlight;
    },
    totals: () => ({ ...totals }),
  };
}

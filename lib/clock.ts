// The time of day, as a value that is passed in, so that everything that depends on it can be tested.

/** Gives the present as milliseconds since 1970 UTC. */
export type Clock = () => number;

/** The machine's clock. */
export const systemClock: Clock = () => Date.now();

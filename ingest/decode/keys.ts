// Keys that say what a value of an object is, in all formats that have objects; the first that is there counts.

export const TIME_KEYS = ['ts', 'timestamp', 'time', 't'] as const;
export const VALUE_KEYS = ['value', 'v'] as const;
export const QUALITY_KEYS = ['quality', 'q'] as const;

// Selectors: Prometheus' syntax, RE2 semantics, matched here and nowhere else (three engines would be three opinions).

export type MatchOperator = '=' | '!=' | '=~' | '!~';

export interface Matcher {
  readonly label: string;
  readonly op: MatchOperator;
  readonly value: string;
}

/** All matchers have to hold. */
export type Selector = readonly Matcher[];

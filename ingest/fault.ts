// Why something that was received cannot be kept as it is: it becomes a dead letter that says so.

/** `code` is stable and for programs, `reason` is for people. */
export interface Fault {
  readonly code: string;
  readonly reason: string;
}

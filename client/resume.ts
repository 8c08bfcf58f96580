// From where a tail goes on after its connection broke: pure, frame by frame.
import type { Frame } from './frames.ts';

export interface Resume {
  /** What to give as `since`; undefined where the tail has to begin anew, with its snapshot. */
  readonly cursor: string | undefined;
  /** Counts from the snapshot on: before, what lies behind it is not there yet. */
  readonly pending: string | undefined;
}

/** Whether a `subscribed` frame is followed by the snapshot that was asked for. */
export function bringsSnapshot(
  { recovered }: { readonly recovered: boolean | null },
  wantsSnapshot: boolean,
): boolean {
  return wantsSnapshot && recovered !== true;
}

/** What a frame changes; the same object where it changes nothing. */
export function resumeAfter(resume: Resume, frame: Frame, wantsSnapshot: boolean): Resume {
  switch (frame.type) {
    case 'subscribed':
      return bringsSnapshot(frame, wantsSnapshot)
        ? { cursor: undefined, pending: frame.cursor }
        : { cursor: frame.cursor, pending: undefined };
    case 'snapshot':
      // Not the snapshot's own, later one: points after its end that came while it was read are still to be sent.
      return { cursor: resume.pending ?? frame.cursor, pending: undefined };
    case 'data':
    case 'summary':
      return { cursor: frame.cursor, pending: undefined };
    default:
      return resume;
  }
}

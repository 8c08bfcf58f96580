// Where bundles come from: what a file and a bundle service have in common.
export type Finding =
  /** What was found before is still there. */
  | { readonly kind: 'unchanged' }
  | { readonly kind: 'found'; readonly packed: Uint8Array; readonly etag?: string | undefined };

export interface LookOptions {
  readonly signal: AbortSignal;
  readonly mayWait: boolean;
  readonly anew: boolean;
}

export interface BundleSource {
  /** Path or URL, as it may be shown: without credentials. */
  readonly location: string;
  /**
   * Looks once. With `mayWait` a source that can tell of a change waits for one. With `anew` the asker has nothing: the
   * answer is never `unchanged`.
   * @throws TailraceError `policy_bundle_unreadable`, `policy_source_unreachable`, `policy_bundle_invalid` (too large).
   */
  look(options: LookOptions): Promise<Finding>;
  /** How long to wait before the next look, ms, after so many that failed. */
  pauseMs(failures: number): number;
  /** Calls `onHint` when a look is worth it. Gives back the way to end it. */
  watch(onHint: () => void): () => void;
}

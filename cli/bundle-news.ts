// Tells the other processes of a deployment of a new policy bundle, and looks for it when they tell: the feed's news is
// faster than a round of polling. What a process finds is its own business: the news is only a reason to look.
import type { Feed } from '../lib/feed/feed.ts';
import type { Part } from '../lib/lifecycle.ts';
import type { Log } from '../lib/log.ts';
import type { LivePolicy } from '../policies/bundles/keeper.ts';

/** Starts both. */
export function shareBundleNews(options: {
  readonly policy: LivePolicy;
  readonly feed: Feed;
  readonly log: Log;
}): Part {
  const { policy, feed, log } = options;
  let known = policy.revision;
  let heard: string | undefined;
  let telling: Promise<unknown> = Promise.resolve();

  const unfollow = feed.follow((record) => {
    if (record.kind !== 'bundle' || record.revision === policy.revision) return;
    heard = record.revision;
    void policy.check();
  });
  const forget = policy.onChange(() => {
    const { revision } = policy;
    if (revision === known) return;
    known = revision;
    if (revision === heard) return;
    telling = telling
      .then(() => feed.append({ kind: 'bundle', revision }))
      .catch((cause) => log.warn({ err: cause }, 'others hear of the policy bundle later'));
  });

  return {
    name: 'bundle news',
    async stop() {
      unfollow();
      forget();
      await telling;
    },
  };
}

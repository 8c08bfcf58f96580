// Keeps the topic rules of a file in force while the process runs: what is written there counts within seconds, and a file
// that is broken changes nothing but what is said of it.
import { messageOf, TailraceError } from '../../lib/errors.ts';
import type { Part } from '../../lib/lifecycle.ts';
import type { Log } from '../../lib/log.ts';
import type { Metrics } from '../../lib/metrics.ts';
import { createWatchedFile, POLL_MS, type WatchedFile } from '../../lib/watched-file.ts';
import type { Fault } from '../fault.ts';
import { parseRules, type RuleSet, readRuleText } from './read-rules.ts';
import { RULES_MAX } from './rule-file.ts';
import { DEFAULT_RULES, type LiveTopicRules, type TopicRules } from './rules.ts';

/** What is in force, and what is wrong with the file as it is now. */
export interface RulesStatus {
  /** undefined where no file is configured. */
  readonly path: string | undefined;
  readonly rules: number;
  /** What is wrong with the file, as the log has it; undefined where it is the one in force. */
  readonly fault: Fault | undefined;
}

export interface TopicRulesKeeper extends LiveTopicRules, Part {
  status(): RulesStatus;
}

export interface TopicRulesOptions {
  /** The file; without one the default rule is all there is. */
  readonly path: string | undefined;
  readonly log: Log;
  readonly metrics: Metrics;
}

const DEFAULT_SET: RuleSet = { rules: DEFAULT_RULES, size: 0, defaultRule: true, warnings: [] };

/** The file's newest state: what of it can be used, or why nothing. */
type Look = { readonly set: RuleSet } | { readonly fault: unknown };

/**
 * Opens the rules.
 * @throws TailraceError `topic_rules_unreadable`, `topic_rules_invalid` where the file cannot be used at this start.
 */
export async function openTopicRules(options: TopicRulesOptions): Promise<TopicRulesKeeper> {
  const { path, log, metrics } = options;
  const listeners = new Set<(rules: TopicRules) => void>();
  let text = path === undefined ? '' : await readRuleText(path);
  let set = path === undefined ? DEFAULT_SET : parseRules(text, path);
  let fault: Fault | undefined;
  sayWarnings(set, log);
  metrics.gauge(
    'tailrace_topic_rules_valid',
    'whether the file of topic rules is the one in force (1), or is broken and an earlier one is (0)',
    () => (fault === undefined ? 1 : 0),
  );
  metrics.bounded('topic_rules', () => set.size, RULES_MAX);

  function take(look: Look): void {
    if ('fault' in look) {
      const reason = messageOf(look.fault);
      if (reason !== fault?.reason)
        log.error({ reason }, 'topic rules: the file is broken; those before stay');
      const code = look.fault instanceof TailraceError ? look.fault.code : 'topic_rules_invalid';
      fault = { code, reason };
      return;
    }
    fault = undefined;
    set = look.set;
    log.info({ path, rules: set.size }, 'topic rules: in force');
    sayWarnings(set, log);
    for (const listener of listeners) listener(set.rules);
  }

  const following = path === undefined ? undefined : follow(path, look);

  async function look(file: WatchedFile): Promise<void> {
    try {
      const read = await file.read(readRuleText, false);
      if (read === undefined || (read === text && fault === undefined)) return;
      text = read;
      take({ set: parseRules(read, path as string) });
    } catch (thrown) {
      take({ fault: thrown });
    }
  }

  return {
    name: 'topic rules',
    current: () => set.rules,
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    status: () => ({ path, rules: set.size, fault }),
    stop: async () => following?.stop(),
  };
}

function sayWarnings({ warnings }: RuleSet, log: Log): void {
  for (const warning of warnings) log.warn({ warning }, 'topic rules: hardly meant like this');
}

/** Calls `look` on every hint and every two seconds, one at a time. */
function follow(path: string, look: (file: WatchedFile) => Promise<void>) {
  const file = createWatchedFile(path);
  let looking: Promise<void> | undefined;
  let again = false;
  function hint(): void {
    if (looking !== undefined) {
      again = true;
      return;
    }
    looking = look(file).then(() => {
      looking = undefined;
      if (!again) return;
      again = false;
      hint();
    });
  }
  const unwatch = file.watch(hint);
  const timer = setInterval(hint, POLL_MS);
  timer.unref();
  return {
    async stop() {
      unwatch();
      clearInterval(timer);
      again = false;
      await looking;
    },
  };
}

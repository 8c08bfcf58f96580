// The access of principals as an acl.conf of EMQX 5: Erlang terms, the first that matches decides, the last denies.
import type { BrokerAccess } from './access.ts';
import { INGESTER_FILTERS } from './access.ts';
import { type AclOrigin, aclText, originLines } from './acl-text.ts';

/**
 * Writes the acl.conf of EMQX's file authorization.
 * @throws TailraceError `policy_export_impossible` for a name that Erlang or EMQX would read otherwise.
 */
export function emqxAcl(access: readonly BrokerAccess[], origin: AclOrigin): string {
  const text = aclText('emqx', origin.ingester, access);
  /** What is not ASCII is written as UTF-8 bytes: as a string it would be code points, which old EMQX 5 takes for bytes. */
  function term(name: string): string {
    const quoted = `"${text(name)}"`;
    // biome-ignore lint/suspicious/noControlCharactersInRegex: all of ASCII; control characters are refused before
    return /^[\u0000-\u007f]*$/.test(name) ? quoted : `<<${quoted}/utf8>>`;
  }
  function rule(username: string, action: string, filters: readonly string[]): string[] {
    if (filters.length === 0) return [];
    return [
      `{allow, {username, ${term(username)}}, ${action}, [${filters.map(term).join(', ')}]}.`,
    ];
  }
  const head = [
    ...originLines(origin),
    'Needed in EMQX: authorization.no_match = deny, deny_action = disconnect, and this file as its only source of',
    'type file (authorization.sources); an authenticator by user name; no anonymous clients.',
  ].map((line) => `%% ${line}`);
  const ingester =
    origin.ingester === undefined
      ? []
      : ['', '%% tailrace itself', ...rule(origin.ingester, 'subscribe', INGESTER_FILTERS)];
  const users = access.flatMap(({ username, publish, subscribe }) => [
    '',
    `%% ${JSON.stringify(username)}`,
    `%% publish: ${JSON.stringify(publish.reason)}`,
    `%% subscribe: ${JSON.stringify(subscribe.reason)}`,
    ...rule(username, 'publish', publish.filters),
    ...rule(username, 'subscribe', subscribe.filters),
  ]);
  return `${[...head, ...ingester, ...users, '', '{deny, all}.'].join('\n')}\n`;
}

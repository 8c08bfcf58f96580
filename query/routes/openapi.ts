// GET /openapi.json and /docs: both made from the routes themselves, so that they say what the server does.
import { DECISION_HEADER } from '../http/problem.ts';
import { reply } from '../http/reply.ts';
import {
  type BytesBody,
  type JsonBody,
  type Parameter,
  type PublicRoute,
  type Route,
  takesTicket,
} from '../http/routes.ts';

const PROBLEM = {
  description: 'application/problem+json with a stable code',
  content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
};

const PROBLEM_SCHEMA = {
  type: 'object',
  required: ['type', 'title', 'status', 'code', 'detail'],
  properties: {
    type: { type: 'string' },
    title: { type: 'string' },
    status: { type: 'integer' },
    code: { type: 'string' },
    detail: { type: 'string' },
    parameter: { type: 'string', description: 'The parameter that a 400 or a 422 is about.' },
    step: { type: 'string', description: 'Of a 422 `too_costly`: a step that is admitted.' },
    estimated_rows: { type: 'integer', description: 'Of the same: what would have been read.' },
    rows_max: { type: 'integer', description: 'Of the same: what may be read.' },
    retry_after_s: { type: 'integer', description: 'Of a 429 or 503, as the header Retry-After.' },
    decision_id: { type: 'string', description: 'The policy’s decision that came before, if any.' },
  },
};

function pathParameterOf({ name, description, schema, example }: Parameter) {
  return { name, in: 'path', description, required: true, schema, example };
}

function parameterOf({ name, description, schema, required = false, example }: Parameter) {
  const repeatable = schema.type === 'array' ? { style: 'form', explode: true } : {};
  return { name, in: 'query', description, required, schema, ...repeatable, example };
}

function bodyOf(body: JsonBody | BytesBody) {
  const { description } = body;
  if ('examples' in body) {
    const schema = { type: 'string', format: 'binary' };
    const typed = Object.entries(body.examples).map(([type, example]) => [type, { example }]);
    const content = { ...Object.fromEntries(typed), '*/*': { schema } };
    return { description, required: true, content };
  }
  const { properties, example } = body;
  const schema = { type: 'object', properties, additionalProperties: false };
  return { description, required: true, content: { 'application/json': { schema, example } } };
}

/** Of an answer that the policy was asked about. */
const DECISION_HEADERS = {
  [DECISION_HEADER]: {
    description: 'Id of the policy’s decision, as `GET /v1/decisions?id=` finds it.',
    schema: { type: 'string' },
  },
};

function operationOf(route: Route) {
  const status = String(route.status ?? 200);
  const { answer } = route;
  const content = Object.fromEntries(
    route.types.map((type) => [
      type,
      answer !== undefined && type === 'application/json' ? { schema: answer } : {},
    ]),
  );
  const open = route.grant === 'public' || route.grant === 'loopback';
  const decided = typeof route.grant === 'object' ? { headers: DECISION_HEADERS } : {};
  return {
    summary: route.summary,
    parameters: [
      ...(route.pathParameters ?? []).map(pathParameterOf),
      ...route.parameters.map(parameterOf),
    ],
    ...(route.body === undefined ? {} : { requestBody: bodyOf(route.body) }),
    security: open ? [] : [{ bearer: [] }, ...(takesTicket(route) ? [{ ticket: [] }] : [])],
    responses: { [status]: { description: route.summary, ...decided, content }, default: PROBLEM },
  };
}

/** The OpenAPI 3.1 document of the routes. */
function openApiOf(routes: readonly Route[]): Record<string, unknown> {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const route of routes) {
    paths[route.path] = { ...paths[route.path], [route.method.toLowerCase()]: operationOf(route) };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'tailrace',
      version: '1',
      description:
        'Readings as chart ranges, latest values and live tails. Times are ms since 1970 UTC.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    paths,
    components: {
      schemas: { Problem: PROBLEM_SCHEMA },
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' },
        ticket: { type: 'apiKey', in: 'query', name: 'ticket' },
      },
    },
  };
}

const escapeHtml = (text: string): string =>
  text.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);

/** Backticks become code, as in the descriptions. */
const prose = (text: string): string => escapeHtml(text).replace(/`([^`]+)`/g, '<code>$1</code>');

function grantText(route: Route): string {
  if (typeof route.grant === 'object') return `needs a token that may ${route.grant.action}`;
  if (route.grant === 'subject') return 'needs a token';
  return route.grant === 'loopback' ? 'open on loopback only' : 'open';
}

function parameterRow({ name, description, schema, required, example }: Parameter): string {
  const facts = [
    required === true ? 'required' : '',
    schema.default === undefined ? '' : `default \`${String(schema.default)}\``,
    example === undefined ? '' : `such as \`${example}\``,
  ].filter((fact) => fact !== '');
  return `<tr><th scope="row"><code>${escapeHtml(name)}</code></th><td>${prose(description)}${
    facts.length === 0 ? '' : ` <small>${prose(facts.join(', '))}</small>`
  }</td></tr>`;
}

function bodyText(body: JsonBody | BytesBody): string {
  const examples =
    'examples' in body ? Object.values(body.examples) : [JSON.stringify(body.example)];
  const shown = examples.map((example) => `<code>${escapeHtml(example)}</code>`).join(' · ');
  return `<p>Body: ${prose(body.description)} ${shown}</p>`;
}

function section(route: Route): string {
  const rows = [...(route.pathParameters ?? []), ...route.parameters].map(parameterRow).join('\n');
  return `<section>
<h2><code>${route.method} ${escapeHtml(route.path)}</code></h2>
<p>${prose(route.summary)} <small>${grantText(route)}; ${escapeHtml(route.types.join(', '))}</small></p>
${rows === '' ? '' : `<table>${rows}</table>`}
${route.body === undefined ? '' : bodyText(route.body)}
</section>`;
}

const STYLE = `:root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif}
body{max-width:52rem;margin:2rem auto;padding:0 1rem}h2{margin:2.5rem 0 .3rem;font-size:1.1rem}
table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;padding:.35rem .8rem .35rem 0;
border-top:1px solid color-mix(in srgb,currentColor 20%,transparent)}small{opacity:.75}`;

/** The page that people read, without a script or anything from elsewhere. */
function docsOf(routes: readonly Route[]): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>tailrace: HTTP interface</title>
<meta name="viewport" content="width=device-width"><style>${STYLE}</style></head>
<body><h1>tailrace: HTTP interface</h1>
<p>Send <code>Authorization: Bearer &lt;token&gt;</code>. Errors are <code>application/problem+json</code> with a stable
<code>code</code>. The same for machines: <a href="/openapi.json">openapi.json</a>.</p>
${routes.map(section).join('\n')}
</body></html>
`;
}

/** Makes both routes; they describe `others` and themselves. */
export function documentRoutes(others: readonly Route[]): PublicRoute[] {
  const common = { method: 'GET', grant: 'public', parameters: [] } as const;
  const routes: PublicRoute[] = [
    {
      ...common,
      path: '/openapi.json',
      summary: 'This interface as OpenAPI 3.1.',
      types: ['application/json'],
      handle: () => reply(openApi),
    },
    {
      ...common,
      path: '/docs',
      summary: 'This interface as a page.',
      types: ['text/html'],
      handle: () => reply(docs, { headers: DOCS_HEADERS }),
    },
  ];
  const all = [...others, ...routes];
  const openApi = JSON.stringify(openApiOf(all));
  const docs = docsOf(all);
  return routes;
}

const DOCS_HEADERS = {
  'Content-Type': 'text/html; charset=utf-8',
  'Content-Security-Policy':
    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
};

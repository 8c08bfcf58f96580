import { expect, it } from 'vitest';
import type { Request } from '../http/request.ts';
import type { PublicRoute, Route } from '../http/routes.ts';
import { documentRoutes } from './openapi.ts';

const REQUEST: Request = {
  ...{ method: 'GET', path: '/', query: new URLSearchParams(), headers: new Map() },
  ...{ peer: '127.0.0.1', urlBytes: 1, headerBytes: 0 },
};

const ROUTE: Route = {
  method: 'GET',
  path: '/v1/thing',
  grant: { action: 'range' },
  ticket: true,
  summary: 'Gives a <thing> by `name`.',
  parameters: [
    { name: 'name', description: 'Its `name`.', schema: { type: 'array' }, required: true },
  ],
  types: ['application/json', 'text/csv'],
  prepare: () => {
    throw new Error('not called');
  },
};

async function bodyOf(route: PublicRoute | undefined): Promise<string> {
  const reply = await route?.handle(REQUEST);
  if (reply?.kind !== 'whole' || typeof reply.body !== 'string') throw new Error('no text');
  return reply.body;
}

it('describes every route, itself included', async () => {
  const [openApi] = documentRoutes([ROUTE]);
  const document = JSON.parse(await bodyOf(openApi));
  expect(document.openapi).toBe('3.1.0');
  expect(Object.keys(document.paths)).toEqual(['/v1/thing', '/openapi.json', '/docs']);
  expect(document.paths['/v1/thing'].get).toMatchObject({
    parameters: [{ name: 'name', in: 'query', required: true, style: 'form', explode: true }],
    security: [{ bearer: [] }, { ticket: [] }],
    responses: {
      200: {
        headers: { 'Tailrace-Decision': {} },
        content: { 'application/json': {}, 'text/csv': {} },
      },
    },
  });
  expect(document.paths['/docs'].get.security).toEqual([]);
});

it('writes the page without letting descriptions be markup', async () => {
  const [, docs] = documentRoutes([ROUTE]);
  const page = await bodyOf(docs);
  expect(page).toContain('Gives a &#60;thing&#62; by <code>name</code>.');
  expect(page).toContain('needs a token that may range');
  expect(page).not.toContain('<script');
});

it('describes a body of any bytes by examples of some types', async () => {
  const examples = { 'text/csv': 'time,a\n1,<2>', 'application/json': '{"a":1}' };
  const body = { description: 'What was `read`.', examples };
  const [openApi, docs] = documentRoutes([{ ...ROUTE, method: 'POST', body, status: 202 }]);
  const { post } = JSON.parse(await bodyOf(openApi)).paths['/v1/thing'];
  expect(post.requestBody.content).toEqual({
    'text/csv': { example: examples['text/csv'] },
    'application/json': { example: '{"a":1}' },
    '*/*': { schema: { type: 'string', format: 'binary' } },
  });
  expect(Object.keys(post.responses)).toEqual(['202', 'default']);
  expect(await bodyOf(docs)).toContain('What was <code>read</code>. <code>time,a\n1,&#60;2&#62;');
});

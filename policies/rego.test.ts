// What is said twice, once for authors of rules and once for the engine that runs them, is the same.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { createBuiltins } from './decide/builtins.ts';
import { readVerdict } from './decide/verdict.ts';
import { ACTIONS } from './grant.ts';

interface RolesSchema {
  readonly additionalProperties: {
    readonly properties: {
      readonly actions: { readonly items: { readonly enum: readonly string[] } };
      readonly obligations: { readonly properties: Readonly<Record<string, object>> };
    };
  };
}

const schemaUrl = new URL('rego/roles/data.schema.json', import.meta.url);
const schema = JSON.parse(readFileSync(schemaUrl, 'utf8')) as RolesSchema;
const { actions, obligations } = schema.additionalProperties.properties;

test('a role may be given every action that there is, and no other', () => {
  expect(actions.items.enum).toEqual(ACTIONS);
});

test.each(Object.keys(obligations.properties))('the engine knows the obligation %s', (name) => {
  const value = name === 'redact' ? ['site'] : 1;
  const decision = { allow: true, reason: '', series: [[]], obligations: { [name]: value } };
  expect(readVerdict([{ result: decision }])).toMatchObject({ understood: true });
});

test.each([...createBuiltins().keys()])(
  'rules may be built with %s, which the engine gives',
  (name) => {
    const url = new URL('capabilities.json', import.meta.url);
    const { builtins } = JSON.parse(readFileSync(url, 'utf8')) as {
      readonly builtins: readonly { readonly name: string }[];
    };
    expect(builtins.map((builtin) => builtin.name)).toContain(name);
  },
);

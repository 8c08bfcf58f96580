import { expect, it } from 'vitest';
import { bindingOf, isTicket, nameOf, newTicket, seal, unseal } from './secret.ts';

const ticket = newTicket();

it('a token that is sealed is opened by its ticket alone, and whole', () => {
  const token = `ey.${'ä'.repeat(5_000)}`;
  const sealed = seal(ticket, token);
  expect(unseal(ticket, sealed)).toBe(token);
  expect(unseal(newTicket(), sealed)).toBeUndefined();
  for (const at of [0, 20, sealed.length - 2]) {
    const other = sealed[at] === 'A' ? 'B' : 'A';
    const changed = sealed.slice(0, at) + other + sealed.slice(at + 1);
    expect(unseal(ticket, changed)).toBeUndefined();
  }
  for (const length of [0, 10, 40]) expect(unseal(ticket, sealed.slice(0, length))).toBeUndefined();
});

it('what is made of a ticket is always the same, and tells neither the ticket nor one of the others', () => {
  const made = [nameOf(ticket), bindingOf(ticket, 'x'), bindingOf(ticket, 'y')];
  expect([nameOf(ticket), bindingOf(ticket, 'x'), bindingOf(ticket, 'y')]).toEqual(made);
  expect(new Set([...made, ticket]).size).toBe(4);
  expect(nameOf(newTicket())).not.toBe(nameOf(ticket));
});

it('a text is a ticket or not by its form', () => {
  expect(isTicket(ticket)).toBe(true);
  for (const text of ['', ticket.slice(1), `${ticket}a`, `${ticket.slice(1)}\n`, ' '.repeat(32)]) {
    expect(isTicket(text)).toBe(false);
  }
});

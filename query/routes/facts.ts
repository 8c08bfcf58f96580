// What every decision may know of a request.
import type { Request } from '../http/request.ts';
import type { RequestFacts } from '../http/routes.ts';

/** Protocol and origin of a request; a range adds its domain and step. */
export function factsOf(request: Request, protocol = 'http'): RequestFacts {
  const origin = request.headers.get('origin');
  return { protocol, ...(origin === undefined ? {} : { origin }) };
}

// Whether this tab's session is its own. A duplicated tab starts with a copy of the other's session storage, and so of
// its refresh token; used by both, the issuer would take it for stolen. A lock by the tab's name tells them apart.
const KEY = 'tailrace.tab';
/** A reload may find the lock of the page before it still held. */
const WAIT_MS = 1_000;

/** Says whether what is in session storage belongs to this tab; a copy gets a name of its own. */
export async function claimTab(): Promise<boolean> {
  const name = sessionStorage.getItem(KEY);
  if (name !== null && (await hold(name))) return true;
  const own = crypto.randomUUID();
  sessionStorage.setItem(KEY, own);
  await hold(own);
  return name === null;
}

function hold(name: string): Promise<boolean> {
  return new Promise((resolve) => {
    const options = { signal: AbortSignal.timeout(WAIT_MS) };
    navigator.locks
      .request(`${KEY}.${name}`, options, () => {
        resolve(true);
        // Held until the page is gone.
        return new Promise<never>(() => undefined);
      })
      .catch(() => resolve(false));
  });
}

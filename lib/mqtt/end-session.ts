// Ends the session that a broker keeps under an id, for good.
import mqtt from 'mqtt';

const CONNECT_MAX_MS = 10_000;

/**
 * Comes once with a clean session, which ends what was there (MQTT 3.1.1 clause 3.1.2.4, MQTT 5 clause 3.1.2.4) and ends
 * itself with its connection. Whatever is queued is gone.
 * @throws Error where the broker does not answer or refuses.
 */
export async function endSession(brokerUrl: string, clientId: string): Promise<void> {
  try {
    await comeClean(brokerUrl, clientId, 5);
  } catch {
    await comeClean(brokerUrl, clientId, 4);
  }
}

async function comeClean(brokerUrl: string, clientId: string, version: 4 | 5): Promise<void> {
  const url = new URL(brokerUrl);
  const { username, password } = url;
  url.username = '';
  url.password = '';
  const client = await mqtt.connectAsync(
    url.toString(),
    {
      clientId,
      protocolVersion: version,
      clean: true,
      reconnectPeriod: 0,
      connectTimeout: CONNECT_MAX_MS,
      ...(username === '' ? {} : { username: decodeURIComponent(username) }),
      ...(password === '' ? {} : { password: decodeURIComponent(password) }),
    },
    false,
  );
  client.on('error', () => {});
  await client.endAsync();
}

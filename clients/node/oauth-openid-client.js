/**
 * openid-client as OAuth client: `node oauth-openid-client.js client_secret_basic`, or `client_secret_post`.
 *
 * `TOKENRY_TOKEN` is the service's own token with `introspect`. `GOOD` is revoked, `POOR` may not introspect.
 * Prints as JSON what the library made of each response.
 */
import * as client from "openid-client";

const { TOKENRY_URL, TOKENRY_TOKEN, GOOD, POOR } = process.env;
const method = { client_secret_basic: client.ClientSecretBasic, client_secret_post: client.ClientSecretPost }[process.argv[2]];

const configure = (secret) =>
  client.discovery(new URL(TOKENRY_URL), "my-service", undefined, method(secret), {
    algorithm: "oauth2",
    // Only for a server without TLS on the loopback address.
    execute: [client.allowInsecureRequests],
  });

/** The error of a client that has this secret. */
async function refused(secret) {
  const config = await configure(secret);
  try {
    return await client.tokenIntrospection(config, GOOD);
  } catch (error) {
    // The library throws it before it reads the body.
    const body = await error.response.json();
    return [error.name, error.status, body.error];
  }
}

const service = await configure(TOKENRY_TOKEN);
const report = {
  live: await client.tokenIntrospection(service, GOOD),
  "wrong secret": await refused("pat_wrong"),
  "without introspect": await refused(POOR),
};
await client.tokenRevocation(service, GOOD);
report.revoked = await client.tokenIntrospection(service, GOOD);
console.log(JSON.stringify(report));

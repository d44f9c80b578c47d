/**
 * oauth4webapi as OAuth client: `node oauth-oauth4webapi.js client_secret_basic`, or `client_secret_post`.
 *
 * `TOKENRY_TOKEN` is the service's own token with `introspect`. `GOOD` is revoked, `POOR` may not introspect.
 * Prints as JSON what the library made of each response.
 */
import * as oauth from "oauth4webapi";

const { TOKENRY_URL, TOKENRY_TOKEN, GOOD, POOR } = process.env;
const method = { client_secret_basic: oauth.ClientSecretBasic, client_secret_post: oauth.ClientSecretPost }[process.argv[2]];
// Only for a server without TLS on the loopback address.
const options = { [oauth.allowInsecureRequests]: true };
const issuer = new URL(TOKENRY_URL);
const client = { client_id: "my-service" };

const server = await oauth.processDiscoveryResponse(
  issuer,
  await oauth.discoveryRequest(issuer, { ...options, algorithm: "oauth2" }),
);

async function introspect(secret) {
  const response = await oauth.introspectionRequest(server, client, method(secret), GOOD, options);
  return oauth.processIntrospectionResponse(server, client, response);
}

/** The error of a client that has this secret. */
async function refused(secret) {
  try {
    return await introspect(secret);
  } catch (error) {
    // The library throws it before it reads the body.
    const body = await error.response.json();
    return [error.name, error.status, body.error];
  }
}

const report = {
  live: await introspect(TOKENRY_TOKEN),
  "wrong secret": await refused("pat_wrong"),
  "without introspect": await refused(POOR),
};
await oauth.processRevocationResponse(
  await oauth.revocationRequest(server, client, method(TOKENRY_TOKEN), GOOD, options),
);
report.revoked = await introspect(TOKENRY_TOKEN);
console.log(JSON.stringify(report));

/** The client against a running server: `TOKENRY_URL`, and in `TOKENRY_TOKEN` a token with every scope. */
import assert from "node:assert/strict";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { inspect } from "node:util";

import { type CreatedToken, Tokenry, TokenryConnectionError, TokenryError, type TokenryOptions } from "tokenry-client";

const url = variable("TOKENRY_URL");
const root = variable("TOKENRY_TOKEN");

function variable(name: string): string {
  const value = process.env[name];
  assert.ok(value, `${name} is not set`);
  return value;
}

function client(token: string, options: Partial<TokenryOptions> = {}): Tokenry {
  return new Tokenry({ url, token, ...options });
}

/** A new token of the administrator with these scopes, and its client. */
async function fresh(name: string, scopes: string[]): Promise<{ created: CreatedToken; own: Tokenry }> {
  const created = await client(root).createToken({ name, scopes });
  return { created, own: client(created.token) };
}

/** Asserts that `call` is refused with this status and code, and returns the error. */
async function refused(call: Promise<unknown>, status: number, code: string): Promise<TokenryError> {
  const error = await call.then(
    () => assert.fail("it was accepted"),
    (error: unknown) => error,
  );
  assert.ok(error instanceof TokenryError, inspect(error));
  assert.deepEqual([error.status, error.code], [status, code]);
  return error;
}

/** Calls the client of a server that answers as `listener` does. */
async function against<T>(listener: RequestListener, call: (url: string) => Promise<T>): Promise<T> {
  const server = createServer(listener).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  try {
    return await call(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

test("a created token works, and only its creation shows the secret", async () => {
  const { created, own } = await fresh("created", ["demo:read"]);
  const token = await own.currentToken();
  assert.equal(token.id, created.id);
  assert.deepEqual(token.scopes, ["demo:read"]);
  assert.ok(!JSON.stringify(await client(root).getToken(created.id)).includes(created.token));
  assert.equal((await own.me()).credential, "pat");
});

test("a list is fetched page by page, and every token comes once", async () => {
  for (let count = 0; count < 5; count++) await fresh(`listed ${count}`, []);
  let requests = 0;
  const counting: typeof fetch = (...request) => {
    requests += 1;
    return fetch(...request);
  };
  const names: string[] = [];
  for await (const token of client(root, { fetch: counting }).listTokens({ search: "listed", limit: 2 })) {
    names.push(token.name);
    assert.equal(requests, Math.ceil(names.length / 2), "a page is fetched when the loop gets there");
  }
  assert.deepEqual(names, [4, 3, 2, 1, 0].map((count) => `listed ${count}`));
  assert.equal((await client(root).tokenPage({ search: "listed", limit: 2 })).total, 5);
});

test("a change of an old version is a conflict", async () => {
  const { created } = await fresh("changed", []);
  const admin = client(root);
  const changed = await admin.updateToken(
    created.id,
    { description: "first", metadata: { team: "search" } },
    created.version,
  );
  assert.deepEqual([changed.description, changed.metadata], ["first", { team: "search" }]);
  await refused(admin.updateToken(created.id, { description: "second" }, created.version), 409, "conflict");
  assert.equal((await admin.getToken(created.id)).description, "first");
});

test("a rotated secret ends and its successor works", async () => {
  const { created, own } = await fresh("rotated", []);
  const rotated = await client(root).rotateToken(created.id);
  assert.equal(rotated.id, created.id);
  await refused(own.currentToken(), 401, "revoked_token");
  assert.equal((await client(rotated.token).currentToken()).id, created.id);
});

test("a revoked token is refused, with the challenge of the server", async () => {
  const { created, own } = await fresh("revoked", []);
  await client(root).revokeToken(created.id, "no longer needed");
  const error = await refused(own.currentToken(), 401, "revoked_token");
  assert.equal(error.challenge, 'Bearer realm="tokenry", error="invalid_token", error_description="The token was revoked."');
  assert.ok(error.requestId);
  assert.equal((await client(root).getToken(created.id)).revoked_reason, "no longer needed");
});

test("a token can revoke itself", async () => {
  const { own } = await fresh("ending", []);
  await own.revokeCurrentToken();
  await refused(own.currentToken(), 401, "revoked_token");
});

test("a missing scope is named", async () => {
  const { own } = await fresh("poor", ["demo:read"]);
  const error = await refused(own.tokenPage(), 403, "insufficient_scope");
  assert.equal(error.challenge,
    'Bearer error="insufficient_scope", scope="tokens:read", error_description="The credential lacks a scope."');
});

test("an invalid field is named by its pointer", async () => {
  const error = await refused(client(root).createToken({ name: "" }), 422, "validation_failed");
  assert.deepEqual(error.errors.map(({ pointer }) => pointer), ["/name"]);
});

test("a verdict says whose token it is or why it is refused", async () => {
  const service = (await fresh("service", ["introspect"])).own;
  const { created } = await fresh("presented", ["demo:read"]);
  const verdict = await service.verify({ token: created.token, scopes: ["demo:read"] });
  assert.ok(verdict.valid);
  assert.deepEqual([verdict.token.id, verdict.user.subject], [created.id, "admin"]);
  assert.deepEqual(await service.verify({ token: created.token, scopes: ["demo:write"] }), {
    valid: false,
    code: "insufficient_scope",
    missing_scopes: ["demo:write"],
  });
  await client(root).revokeToken(created.id);
  const later = await service.verify({ token: created.token });
  assert.deepEqual(later, { valid: false, code: "revoked_token", missing_scopes: [] });
  await refused(client(created.token).verify({ token: created.token }), 401, "revoked_token");
});

test("a verdict that is not complete grants nothing", async () => {
  for (const body of ['{"valid":true}', '{"valid":"true","token":{},"user":{},"scopes":[]}', "{}"]) {
    const verdict = await against(
      (_, response) => response.setHeader("content-type", "application/json").end(body),
      (url) => client(root, { url }).verify({ token: "x" }),
    );
    assert.equal(verdict.valid, false, body);
  }
});

test("uses and audit events can be read", async () => {
  const { created, own } = await fresh("used", []);
  await own.currentToken();
  const kinds: string[] = [];
  for await (const event of client(root).listEvents({ token_id: created.id, limit: 1 })) kinds.push(event.kind);
  assert.ok(kinds.includes("auth.token.created"));
  assert.ok((await client(root).usage(created.id)).total_count >= 0);
});

test("endpoints without a method of their own are typed and throw the same errors", async () => {
  const { data } = await client(root).http.GET("/api/v1/policy");
  assert.ok(data);
  const unknown = { params: { path: { id: "01900000-0000-7000-8000-000000000000" } } };
  await refused(client(root).http.GET("/api/v1/users/{id}", unknown), 404, "not_found");
});

test("no answer is a connection error", async () => {
  await assert.rejects(client(root, { url: "http://127.0.0.1:1" }).me(), TokenryConnectionError);
  const silent = against(
    () => {},
    (url) => client(root, { url, timeoutMs: 100 }).me(),
  );
  await assert.rejects(silent, TokenryConnectionError);
  const halfway = against(
    (_, response) => response.writeHead(200, { "content-type": "application/json" }).write("{"),
    (url) => client(root, { url, timeoutMs: 100 }).me(),
  );
  await assert.rejects(halfway, TokenryConnectionError);
});

test("an answer of another server is an error, whatever its status", async () => {
  const page = (status: number): RequestListener => {
    return (_, response) => response.writeHead(status, { "content-type": "text/html" }).end("<h1>hello</h1>");
  };
  for (const status of [200, 502]) {
    await against(page(status), (url) => refused(client(root, { url }).me(), status, "unexpected_response"));
  }
});

test("a redirect is not followed, so that the token stays here", async () => {
  const seen: string[] = [];
  const elsewhere: RequestListener = (request, response) => {
    seen.push(request.url ?? "");
    response.writeHead(307, { location: "/elsewhere" }).end();
  };
  await assert.rejects(against(elsewhere, (url) => client(root, { url }).me()), TokenryConnectionError);
  assert.deepEqual(seen, ["/api/v1/me"]);
});

test("neither the client nor an error shows the token", async () => {
  const secret = "pat_SECRETSECRET";
  const own = client(secret);
  const errors = [
    own.me(),
    client(`${secret}\n`).me(),
    client(secret, { url: "http://127.0.0.1:1" }).me(),
  ].map((call) => call.catch((error: unknown) => error));
  for (const shown of [own, ...(await Promise.all(errors))]) {
    assert.ok(!inspect(shown, { depth: 10, showHidden: true }).includes("SECRETSECRET"));
    assert.ok(!JSON.stringify(shown).includes("SECRETSECRET"));
  }
});

test("a token from a function is asked for before each request", async () => {
  const { created, own } = await fresh("renewed", []);
  let current = created.token;
  const renewing = new Tokenry({ url, token: async () => current });
  assert.equal((await renewing.currentToken()).id, created.id);
  current = (await client(root).rotateToken(created.id)).token;
  assert.equal((await renewing.currentToken()).id, created.id);
  await refused(own.currentToken(), 401, "revoked_token");
});

test("the token API may have another path, and no other request moves", async () => {
  const seen: string[] = [];
  const listener: RequestListener = (request, response) => {
    let body = "";
    request.on("data", (chunk: Buffer) => (body += chunk.toString()));
    request.on("end", () => {
      seen.push(`${request.method} ${request.url} ${body}`.trim());
      response.setHeader("content-type", "application/json").end('{"data":[]}');
    });
  };
  await against(listener, async (url) => {
    // Also below a path, and with a slash at the end.
    const own = client(root, { url: `${url}/mounted/`, tokensPath: "/users/me/api-tokens" });
    await own.createToken({ name: "a" });
    await own.tokenPage({ limit: 1 });
    await own.updateToken("x", { name: "b" });
    await own.rotateToken("x");
    await own.usage("x");
    await own.currentToken();
    await own.http.GET("/api/v1/admin/tokens");
    await own.http.DELETE("/api/v1/tokens/{id}", { params: { path: { id: "../../token" } } });
  });
  assert.deepEqual(seen, [
    'POST /mounted/users/me/api-tokens {"name":"a"}',
    "GET /mounted/users/me/api-tokens?limit=1",
    'PATCH /mounted/users/me/api-tokens/x {"name":"b"}',
    "POST /mounted/users/me/api-tokens/x/rotate {}",
    "GET /mounted/users/me/api-tokens/x/usage",
    "GET /mounted/api/v1/token",
    "GET /mounted/api/v1/admin/tokens",
    "DELETE /mounted/users/me/api-tokens/..%2F..%2Ftoken",
  ]);
  for (const tokensPath of ["", "api/tokens", "/api/tokens/", "//evil.test", "/a?b", "/a#b", "https://evil.test/"]) {
    assert.throws(() => client(root, { tokensPath }), TypeError, tokensPath);
  }
});

test("an introspection of an inactive token has no claims", async () => {
  const form = { headers: { "content-type": "application/x-www-form-urlencoded" } };
  const introspect = async (token: string) => {
    const { data } = await client(root).http.POST("/oauth/introspect", { body: { token }, ...form });
    assert.ok(data);
    return data;
  };
  const { created } = await fresh("introspected", ["demo:read"]);
  const active = await introspect(created.token);
  assert.deepEqual([active.active, active.scope, active.jti], [true, "demo:read", created.id]);
  await client(root).revokeToken(created.id);
  const inactive = await introspect(created.token);
  // Without the check a program that reads the claims of any answer does not compile.
  const scope: string | null | undefined = inactive.scope;
  assert.deepEqual([inactive, scope], [{ active: false }, undefined]);
});

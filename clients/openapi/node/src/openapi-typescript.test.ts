/** The types that openapi-typescript generates, with openapi-fetch, against `TOKENRY_URL` with `TOKENRY_TOKEN`. */
import assert from "node:assert/strict";
import { test } from "node:test";

import createClient from "openapi-fetch";

import type { paths } from "./schema.js";

const client = as(process.env.TOKENRY_TOKEN ?? "");

function as(token: string) {
  return createClient<paths>({ baseUrl: process.env.TOKENRY_URL ?? "", headers: { authorization: `Bearer ${token}` } });
}

function bodySerializer(body: object): string {
  return new URLSearchParams(body as Record<string, string>).toString();
}

/** The body of a successful response. */
function body<T>({ data, error }: { data?: T; error?: unknown }): T {
  assert.ok(data !== undefined, JSON.stringify(error));
  return data;
}

test("tokens are created, listed page by page, rotated, introspected and revoked", async () => {
  const created = [];
  for (const name of ["fetch-1", "fetch-2", "fetch-3"]) {
    created.push(body(await client.POST("/api/v1/tokens", { body: { name, scopes: ["demo:read"] } })));
  }

  const listed: string[] = [];
  let cursor: string | null | undefined;
  do {
    const query = { search: "fetch-", limit: 2, sort: "name" as const, ...(cursor ? { cursor } : {}) };
    const page = body(await client.GET("/api/v1/tokens", { params: { query } }));
    assert.equal(page.total, 3);
    listed.push(...page.data.map(({ name }) => name));
    cursor = page.next_cursor;
  } while (cursor);
  assert.deepEqual(listed, ["fetch-1", "fetch-2", "fetch-3"]);

  const [first, second] = created;
  assert.ok(first && second);
  const params = { path: { id: first.id } };
  const rotated = body(await client.POST("/api/v1/tokens/{id}/rotate", { params, body: { grace_seconds: 0 } }));
  assert.notEqual(rotated.token, first.token);

  const headers = { "content-type": "application/x-www-form-urlencoded" };
  const introspect = async (token: string) =>
    body(await client.POST("/oauth/introspect", { body: { token }, headers, bodySerializer }));
  assert.equal((await introspect(first.token)).active, false);
  const live = await introspect(rotated.token);
  assert.deepEqual([live.active, live.jti], [true, first.id]);

  await client.DELETE("/api/v1/tokens/{id}", { params });
  assert.equal((await introspect(rotated.token)).active, false);
  const { error, response } = await as(rotated.token).GET("/api/v1/token");
  assert.deepEqual([response.status, error?.code], [401, "revoked_token"]);
  await client.POST("/oauth/revoke", { body: { token: second.token }, headers, bodySerializer });
  assert.equal((await introspect(second.token)).active, false);
});

/** The client that @hey-api/openapi-ts generates, against `TOKENRY_URL` with the token `TOKENRY_TOKEN`. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { createClient } from "./hey-api/client/index.js";
import * as api from "./hey-api/index.js";

const client = as(process.env.TOKENRY_TOKEN ?? "");

function as(token: string) {
  // Introspection has two schemes, and a request has one credential.
  const auth = ({ scheme }: { scheme?: string }) => (scheme === "bearer" ? token : undefined);
  return createClient({ baseUrl: process.env.TOKENRY_URL ?? "", auth });
}

test("tokens are created, listed page by page, rotated, introspected and revoked", async () => {
  const created = [];
  for (const name of ["hey-1", "hey-2", "hey-3"]) {
    const { data } = await api.createToken({ client, body: { name, scopes: ["demo:read"] }, throwOnError: true });
    created.push(data);
  }

  const listed: string[] = [];
  let cursor: string | null | undefined;
  do {
    const query = { search: "hey-", limit: 2, sort: "name" as const, ...(cursor ? { cursor } : {}) };
    const { data } = await api.listTokens({ client, query, throwOnError: true });
    assert.equal(data.total, 3);
    listed.push(...data.data.map(({ name }) => name));
    cursor = data.next_cursor;
  } while (cursor);
  assert.deepEqual(listed, ["hey-1", "hey-2", "hey-3"]);

  const [first] = created;
  assert.ok(first);
  const path = { id: first.id };
  const { data: rotated } = await api.rotateToken({ client, path, body: { grace_seconds: 0 }, throwOnError: true });
  assert.notEqual(rotated.token, first.token);

  const introspect = async (token: string) =>
    (await api.introspectToken({ client, body: { token }, throwOnError: true })).data;
  assert.equal((await introspect(first.token)).active, false);
  const live = await introspect(rotated.token);
  assert.deepEqual([live.active, live.jti], [true, first.id]);
  assert.equal((await api.showOwnToken({ client: as(rotated.token), throwOnError: true })).data.status, "active");

  await api.revokeToken({ client, path, throwOnError: true });
  assert.equal((await introspect(rotated.token)).active, false);
  const { error, response } = await api.showOwnToken({ client: as(rotated.token) });
  assert.deepEqual([response?.status, error?.code], [401, "revoked_token"]);
  await api.revokePresented({ client, body: { token: created[1]?.token ?? "" }, throwOnError: true });
  assert.equal((await introspect(created[1]?.token ?? "")).active, false);
});

test("an error is a problem with the invalid fields", async () => {
  const { error, response } = await api.createToken({ client, body: { name: "" } });
  assert.deepEqual([response?.status, error?.code, error?.errors?.[0]?.pointer], [422, "validation_failed", "/name"]);
});

// Makes better-auth.jsonl with the library itself; see make.py.
//
//     npm install --legacy-peer-deps better-auth@1.7.5 @better-auth/api-key@1.7.5
//     node make.mjs
import { writeFileSync } from "node:fs";
import { apiKey } from "@better-auth/api-key";
import { betterAuth } from "better-auth";
import { memoryAdapter } from "better-auth/adapters/memory";

const tables = { user: [], session: [], account: [], verification: [], apikey: [] };
const auth = betterAuth({
    secret: "not used, and 32 characters long",
    baseURL: "http://localhost",
    database: memoryAdapter(tables),
    emailAndPassword: { enabled: true },
    plugins: [apiKey()],
});
const account = { email: "ann@example.com", password: "password-1234", name: "Ann" };
const { user } = await auth.api.signUpEmail({ body: account });
const tokens = [];
for (let number = 0; number < 5; number += 1) {
    const made = await auth.api.createApiKey({ body: { userId: user.id, name: `key ${number}` } });
    tokens.push(`${made.id} ${made.key}\n`);
}
const rows = tables.apikey.map((row) => ({
    id: row.id,
    owner: user.email,
    name: row.name,
    created_at: row.createdAt,
    expires_at: row.expiresAt,
    active: row.enabled,
    prefix: row.start,
    hash: row.key,
    scheme: "sha256",
}));
writeFileSync("better-auth.jsonl", rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
writeFileSync("better-auth.tokens", tokens.join(""));

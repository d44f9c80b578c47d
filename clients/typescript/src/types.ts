/** Short names for the generated types. */
import type { components, operations } from "./schema.js";

/** Every type of the API by its name in `docs/openapi.json`. */
export type Schemas = components["schemas"];

/** A token without its secret. */
export type Token = Schemas["Token"];

/** A new token, with the secret in `token`, which no later response shows again. */
export type CreatedToken = Schemas["CreatedToken"];

/** An owner of tokens. */
export type User = Schemas["User"];

/** What the server says about a token that was presented to another service. */
export type TokenVerdict =
  | { valid: true; token: Token; user: Schemas["VerdictUser"]; scopes: string[] }
  | { valid: false; code: string; missing_scopes: string[] };

/** The query parameters of an operation of the API. */
export type Query<Name extends keyof operations> = operations[Name] extends {
  parameters: { query?: infer Parameters };
}
  ? NonNullable<Parameters>
  : never;

/** The client of Tokenry's HTTP API. {@link Tokenry} is where to begin. */
export { Tokenry, type TokenryOptions, type Transport } from "./client.js";
export { TokenryConnectionError, TokenryError } from "./error.js";
export type { Schemas, Token, CreatedToken, TokenVerdict, User } from "./types.js";
export type { operations, paths } from "./schema.js";

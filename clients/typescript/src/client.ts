/** The client: one method for each thing that services and scripts do. */
import createClient, { type Client } from "openapi-fetch";

import { items, type Page } from "./pages.js";
import type { paths } from "./schema.js";
import { requestAt, TOKENS } from "./tokens-path.js";
import { type Credential, transport } from "./transport.js";
import type { CreatedToken, Query, Schemas, Token, TokenVerdict } from "./types.js";

/** Where the server is and who calls it. */
export interface TokenryOptions {
  /** The address of the server, such as `https://tokens.example.org`. */
  url: string;
  /** The caller's token, or a function that returns it before each request. */
  token: Credential;
  /** Where the server has the API of a user's own tokens (its setting `api.tokens_path`); `/api/v1/tokens` unless set. */
  tokensPath?: string;
  /** How long an answer may take, in milliseconds; 10,000 unless set. */
  timeoutMs?: number;
  /** Another `fetch`. */
  fetch?: typeof fetch;
}

/** Every endpoint by its path, with the types of its parameters and answers; errors are thrown as by {@link Tokenry}. */
export type Transport = Client<paths>;

/**
 * The API as one user or service sees it.
 *
 * Every method throws a `TokenryError` if the server refuses, and a `TokenryConnectionError` if it does not answer.
 */
export class Tokenry {
  /** The endpoints that have no method here. */
  readonly http: Transport;

  constructor({ url, token, tokensPath = TOKENS, timeoutMs = 10_000, fetch = globalThis.fetch }: TokenryOptions) {
    this.http = createClient<paths>({
      baseUrl: url,
      Request: requestAt(url, tokensPath),
      fetch: transport(token, timeoutMs, fetch),
    });
  }

  /** The caller and what remains of its limits. */
  me(): Promise<Schemas["Me"]> {
    return data(this.http.GET("/api/v1/me"));
  }

  /** The scopes that exist and those that the caller may grant. */
  scopes(): Promise<Schemas["Scopes"]> {
    return data(this.http.GET("/api/v1/scopes"));
  }

  /** Creates a token. The secret is in `token` of the result; no later answer shows it. */
  createToken(body: Schemas["CreateToken"]): Promise<CreatedToken> {
    return data(this.http.POST("/api/v1/tokens", { body }));
  }

  /** The caller's tokens, newest first, page by page as the loop proceeds. */
  listTokens(query: Query<"list_tokens"> = {}): AsyncGenerator<Token, void> {
    return items((cursor) => this.tokenPage(cursor === undefined ? query : { ...query, cursor }));
  }

  /** One page of the caller's tokens and the cursor of the next. */
  tokenPage(query: Query<"list_tokens"> = {}): Promise<Schemas["TokenPage"]> {
    return data(this.http.GET("/api/v1/tokens", { params: { query } }));
  }

  /** One token of the caller. */
  getToken(id: string): Promise<Token> {
    return data(this.http.GET("/api/v1/tokens/{id}", { params: { path: { id } } }));
  }

  /** Changes a token; with `version`, only if it is still that version (else 409). */
  updateToken(id: string, body: Schemas["UpdateToken"], version?: number): Promise<Token> {
    const header = version === undefined ? {} : { "If-Match": `"${version}"` };
    return data(this.http.PATCH("/api/v1/tokens/{id}", { params: { path: { id }, header }, body }));
  }

  /** Replaces the secret of a token; the old one ends at once unless `grace_seconds` is set. */
  rotateToken(id: string, body: Schemas["RotateToken"] = {}): Promise<CreatedToken> {
    return data(this.http.POST("/api/v1/tokens/{id}/rotate", { params: { path: { id } }, body }));
  }

  /** Revokes a token for ever. Revoking it again changes nothing. */
  async revokeToken(id: string, reason?: string): Promise<void> {
    const query = reason === undefined ? {} : { reason };
    await this.http.DELETE("/api/v1/tokens/{id}", { params: { path: { id }, query } });
  }

  /** The recorded uses of a token. */
  usage(id: string, query: Query<"show_usage"> = {}): Promise<Schemas["Usage"]> {
    return data(this.http.GET("/api/v1/tokens/{id}/usage", { params: { path: { id }, query } }));
  }

  /** The token that this client itself uses. */
  currentToken(): Promise<Token> {
    return data(this.http.GET("/api/v1/token"));
  }

  /** Revokes the token that this client itself uses. */
  async revokeCurrentToken(): Promise<void> {
    await this.http.DELETE("/api/v1/token");
  }

  /** The audit log, newest first. Needs `admin:read`. */
  listEvents(query: Query<"list_events"> = {}): AsyncGenerator<Schemas["AuditEvent"], void> {
    const page = (params: { query: Query<"list_events"> }): Promise<Page<Schemas["AuditEvent"]>> =>
      data(this.http.GET("/api/v1/audit", { params }));
    return items((cursor) => page({ query: cursor === undefined ? query : { ...query, cursor } }));
  }

  /**
   * Verifies a token that was presented to the calling service, which needs `introspect`.
   *
   * The verdict holds for this moment: ask for each request, keep none.
   */
  async verify(body: Schemas["VerifyToken"]): Promise<TokenVerdict> {
    const verdict = await data(this.http.POST("/api/v1/verify", { body }));
    // SECURITY: an answer without any of these grants nothing.
    if (verdict.valid === true && verdict.token && verdict.user && verdict.scopes) {
      return { valid: true, token: verdict.token, user: verdict.user, scopes: verdict.scopes };
    }
    return { valid: false, code: verdict.code ?? "invalid_token", missing_scopes: verdict.missing_scopes ?? [] };
  }
}

/** The body of a successful answer; the transport has thrown for every other. */
async function data<Body>(answer: Promise<{ data?: Body }>): Promise<Body> {
  return (await answer).data as Body;
}

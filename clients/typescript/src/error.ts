/** The errors that a call throws. */
import type { Schemas } from "./types.js";

/** The server's answer was an error, or no answer of Tokenry at all. No property contains a token. */
export class TokenryError extends Error {
  override readonly name = "TokenryError";

  private constructor(
    /** The HTTP status. */
    readonly status: number,
    /** The stable code of the error, such as `invalid_token`; `unexpected_response` if Tokenry did not answer. */
    readonly code: string,
    /** A sentence about this occurrence. */
    readonly detail: string,
    /** Identifies the request in the log of the server. */
    readonly requestId: string | undefined,
    /** The invalid fields and parameters. */
    readonly errors: readonly Schemas["FieldProblem"][],
    /** Seconds until a retry is worth it, of a 429 or a 503. */
    readonly retryAfter: number | undefined,
    /** The value of `WWW-Authenticate`, of a 401 or a 403. */
    readonly challenge: string | undefined,
  ) {
    super(`${status} ${code}: ${detail}`);
  }

  /** The error of an answer whose body was read as `body`. */
  static of(response: Response, body: string): TokenryError {
    const { status, headers } = response;
    const isProblem = headers.get("content-type")?.startsWith("application/problem+json") ?? false;
    const problem = isProblem ? parse(body) : undefined;
    const seconds = Number(headers.get("retry-after") ?? Number.NaN);
    return new TokenryError(
      status,
      problem?.code ?? "unexpected_response",
      problem?.detail ?? "The answer is none of Tokenry's; check the address of the server.",
      headers.get("x-request-id") ?? undefined,
      problem?.errors ?? [],
      Number.isFinite(seconds) ? seconds : undefined,
      headers.get("www-authenticate") ?? undefined,
    );
  }
}

/** There was no answer: no connection, or none in time. `cause` is the error of `fetch`. */
export class TokenryConnectionError extends Error {
  override readonly name = "TokenryConnectionError";

  constructor(cause: unknown) {
    super("Tokenry did not answer", { cause });
  }
}

/** The problem (RFC 9457) in `body`, if it is one. */
function parse(body: string): Schemas["Problem"] | undefined {
  try {
    const problem = JSON.parse(body) as Partial<Schemas["Problem"]> | null;
    const isProblem = typeof problem?.code === "string" && typeof problem.detail === "string";
    return isProblem ? (problem as Schemas["Problem"]) : undefined;
  } catch {
    return undefined;
  }
}

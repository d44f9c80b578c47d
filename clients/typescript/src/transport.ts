/** How a request travels: with the token, with a time limit, and to this server only. */
import { TokenryConnectionError, TokenryError } from "./error.js";

/** The credential of the client. */
export type Credential = string | (() => string | Promise<string>);

/**
 * A `fetch` that adds the credential and returns only successful answers of Tokenry, read to their end.
 *
 * It sends no cookies, uses no cache, and follows no redirect: that would hand the token to another address.
 */
export function transport(credential: Credential, timeoutMs: number, send: typeof fetch) {
  return async (request: Request): Promise<Response> => {
    const token = typeof credential === "string" ? credential : await credential();
    // Checked here, because the error of `Headers.set` would quote the token.
    if (!/^[\x21-\x7e]+$/.test(token)) throw new TypeError("the token is empty or has characters that no token has");
    request.headers.set("authorization", `Bearer ${token}`);
    const signal = AbortSignal.any([request.signal, AbortSignal.timeout(timeoutMs)]);
    const options: RequestInit = { signal, redirect: "error", cache: "no-store", credentials: "omit" };
    let response: Response;
    let body: string;
    try {
      response = await send(request, options);
      body = await response.text();
    } catch (cause) {
      throw new TokenryConnectionError(cause);
    }
    const isJson = response.headers.get("content-type")?.startsWith("application/json") ?? false;
    if (!response.ok || (body !== "" && !isJson)) throw TokenryError.of(response, body);
    const { status, headers } = response;
    return new Response(status === 204 ? null : body, { status, headers });
  };
}

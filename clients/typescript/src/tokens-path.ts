/** The path of the token API, which a server can have elsewhere. */

/** Where the API of a user's own tokens is unless the server is set otherwise; the types have this path. */
export const TOKENS = "/api/v1/tokens";

/**
 * A `Request` whose URL has `tokensPath` in the place of {@link TOKENS}, below `url`.
 *
 * It is created with that URL, because a copy of a request with a body loses the body in some browsers.
 */
export function requestAt(url: string, tokensPath: string): typeof Request {
  if (!/^(\/[A-Za-z0-9._~-]+)+$/.test(tokensPath)) throw new TypeError("tokensPath must be a path such as /api/tokens");
  const own = url.replace(/\/$/, "") + TOKENS;
  const moved = own.slice(0, -TOKENS.length) + tokensPath;
  const isOwn = (target: string) => target.startsWith(own) && /^([/?]|$)/.test(target.slice(own.length));
  return class extends Request {
    constructor(input: RequestInfo | URL, init?: RequestInit) {
      super(typeof input === "string" && isOwn(input) ? moved + input.slice(own.length) : input, init);
    }
  };
}

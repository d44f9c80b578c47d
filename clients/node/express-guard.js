/** Guards routes of Express with Tokenry: copy this file. Every request is verified anew; without a verdict it is refused. */
import { isIP } from "node:net";

const REALM = 'Bearer realm="tokenry"';
const INVALID = `${REALM}, error="invalid_token"`;

/**
 * The middleware factory of a service: `guard("reports:read")` admits only a live token with that scope, and puts
 * `{ token, user, scopes }` into `request.tokenry`.
 *
 * `url` is the address of Tokenry; `token` is the service's own, with the scope `introspect`.
 */
export function tokenry({ url, token, timeoutMs = 2000 }) {
  async function verify(body) {
    const response = await fetch(new URL("/api/v1/verify", url), {
      method: "POST",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: JSON.stringify(body),
      // The limit covers the body too; a redirect would send the token elsewhere.
      signal: AbortSignal.timeout(timeoutMs),
      redirect: "error",
    });
    // A 401 here is about the service's own token, not about the caller's.
    if (response.status !== 200) throw Object.assign(new Error("no verdict"), { status: response.status });
    const verdict = await response.json();
    if (verdict.valid === true && verdict.user.id && verdict.token.id) return verdict;
    if (verdict.valid === false && typeof verdict.code === "string") return verdict;
    throw new TypeError("no verdict");
  }

  return (...scopes) => async (request, response, next) => {
    const refuse = (status, code, challenge) => {
      if (challenge) response.set("WWW-Authenticate", challenge);
      response.status(status).set("Cache-Control", "no-store").type("application/problem+json");
      response.send(JSON.stringify({ status, code, title: code.replaceAll("_", " ") }));
    };
    // `request.headers` keeps only the first of repeated headers.
    const [header, ...others] = request.headersDistinct.authorization ?? [];
    if (header === undefined) return refuse(401, "authentication_required", REALM);
    const [scheme] = header.split(" ", 1);
    const presented = header.slice(scheme.length).trim();
    if (others.length === 0 && scheme.toLowerCase() !== "bearer") return refuse(401, "authentication_required", REALM);
    if (others.length > 0 || presented === "" || /[ \t,]/.test(presented)) {
      return refuse(400, "invalid_request", 'Bearer error="invalid_request"');
    }
    if (header.length > 512) return refuse(401, "invalid_token", INVALID);

    // Behind a proxy, `request.ip` is the client's only with Express's setting `trust proxy`.
    const [ip] = request.ip?.split("%") ?? [];
    let verdict;
    try {
      verdict = await verify({ token: presented, scopes, ...(isIP(ip) ? { ip } : {}) });
    } catch (error) {
      // SECURITY: whatever went wrong, the caller gets no further; an error's text may quote the request.
      console.error("Tokenry gave no verdict:", error.status ?? error.name);
      response.set("Retry-After", "2");
      return refuse(503, "service_unavailable");
    }
    if (!verdict.valid) {
      const { code } = verdict;
      if (code === "insufficient_scope") {
        return refuse(403, code, `Bearer error="${code}", scope="${scopes.join(" ")}"`);
      }
      if (code === "ip_not_allowed") return refuse(403, code);
      return refuse(401, code, INVALID);
    }
    request.tokenry = { token: verdict.token, user: verdict.user, scopes: verdict.scopes };
    next();
  };
}

// The official TypeScript client finds out by itself how to get in: it is
// refused, reads the metadata of the resource and of its authorization server,
// registers, sends its user to authorize, and comes back with a token.
// Usage: node client-oauth.mjs URL TOOL ARGS
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { UnauthorizedError } from "@modelcontextprotocol/sdk/client/auth.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

const [url, tool, args] = process.argv.slice(2);
const redirectUrl = "http://127.0.0.1:9/callback"; // nobody listens: the browser below stops there
const kept = {};
let code;

// browse follows redirects with cookies, as the user's browser would.
async function browse(start) {
  const jar = new Map();
  for (let at = new URL(start); ; ) {
    if (at.href.startsWith(redirectUrl)) return at.searchParams.get("code") ?? Promise.reject(new Error(at.search));
    const reply = await fetch(at, {
      redirect: "manual",
      headers: { cookie: [...jar].map(([k, v]) => `${k}=${v}`).join("; ") },
    });
    for (const c of reply.headers.getSetCookie()) {
      const [name, ...value] = c.split(";")[0].split("=");
      jar.set(name, value.join("="));
    }
    const next = reply.headers.get("location");
    if (!next) throw new Error(`the browser is stuck at ${at} (${reply.status}): ${await reply.text()}`);
    at = new URL(next, at);
  }
}

const authProvider = {
  redirectUrl,
  clientMetadata: {
    client_name: "check", redirect_uris: [redirectUrl], grant_types: ["authorization_code"], response_types: ["code"],
    token_endpoint_auth_method: "none", application_type: "native",
  },
  clientInformation: () => kept.client,
  saveClientInformation: (c) => void (kept.client = c),
  tokens: () => kept.tokens,
  saveTokens: (t) => void (kept.tokens = t),
  codeVerifier: () => kept.verifier,
  saveCodeVerifier: (v) => void (kept.verifier = v),
  redirectToAuthorization: async (to) => void (code = await browse(to)),
};

let transport = new StreamableHTTPClientTransport(new URL(url), { authProvider });
let client = new Client({ name: "check", version: "1" });
try {
  await client.connect(transport);
  throw new Error("let in without a token");
} catch (e) {
  if (!(e instanceof UnauthorizedError)) throw e;
}
await transport.finishAuth(code);
transport = new StreamableHTTPClientTransport(new URL(url), { authProvider });
client = new Client({ name: "check", version: "1" });
await client.connect(transport);
const { tools } = await client.listTools();
const result = await client.callTool({ name: tool, arguments: JSON.parse(args) });
console.log(JSON.stringify({ tools: tools.map((t) => t.name), result, scope: kept.tokens.scope }));
await client.close();

// A real OpenID provider (npm oidc-provider): client credentials, resources
// (RFC 8707), JWT and opaque tokens, introspection, DPoP, dynamic registration,
// and an authorization page on which everybody is alice and agrees.
// Usage: node provider.mjs PORT
import { generateKeyPairSync } from "node:crypto";
import Provider from "oidc-provider";

const port = Number(process.argv[2]);
const scopes = ["tools:*", "prompts:*", "resources:*"];
const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
const machine = { grant_types: ["client_credentials"], redirect_uris: [], response_types: [] };

const provider = new Provider(`http://127.0.0.1:${port}`, {
  jwks: { keys: [{ ...privateKey.export({ format: "jwk" }), kid: "k1", alg: "ES256", use: "sig" }] },
  clients: [
    { client_id: "app", client_secret: "app-secret", ...machine },
    { client_id: "opaque-app", client_secret: "opaque-secret", ...machine },
    { client_id: "gateway", client_secret: "gateway-secret", ...machine },
  ],
  clientDefaults: { id_token_signed_response_alg: "ES256" },
  cookies: { keys: ["only for tests"] },
  scopes: ["openid", "offline_access", ...scopes],
  findAccount: (_ctx, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  interactions: { url: (_ctx, i) => `/interaction/${i.uid}` },
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    dPoP: { enabled: true },
    introspection: { enabled: true, allowedPolicy: () => true },
    revocation: { enabled: true },
    registration: { enabled: true },
    resourceIndicators: {
      enabled: true,
      useGrantedResource: () => true,
      getResourceServerInfo: (_ctx, resource, client) => ({
        scope: scopes.join(" "),
        audience: resource,
        accessTokenTTL: 600,
        accessTokenFormat: client.clientId === "opaque-app" ? "opaque" : "jwt",
        jwt: { sign: { alg: "ES256" } },
      }),
    },
  },
});

provider.use(async (ctx, next) => {
  if (!ctx.path.startsWith("/interaction/")) return next();
  const { prompt, params, session } = await provider.interactionDetails(ctx.req, ctx.res);
  let result = { login: { accountId: "alice" } };
  if (prompt.name === "consent") {
    const grant = new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
    if (prompt.details.missingOIDCScope) grant.addOIDCScope(prompt.details.missingOIDCScope.join(" "));
    for (const [resource, missing] of Object.entries(prompt.details.missingResourceScopes ?? {})) {
      grant.addResourceScope(resource, missing.join(" "));
    }
    result = { consent: { grantId: await grant.save() } };
  }
  ctx.respond = false;
  await provider.interactionFinished(ctx.req, ctx.res, result, { mergeWithLastSubmission: true });
});

provider.listen(port, "127.0.0.1");

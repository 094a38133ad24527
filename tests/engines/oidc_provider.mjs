// A real OpenID provider for tests: node oidc_provider.mjs PORT REDIRECT_URI. Whoever logs in is who they say.
import { createServer } from "node:http";
import { generateKeyPairSync } from "node:crypto";
import Provider from "oidc-provider";

const [port, redirectUri] = process.argv.slice(2);
const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
const key = { ...privateKey.export({ format: "jwk" }), alg: "ES256", use: "sig", kid: "test" };
const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [{
    client_id: "yunshang", client_secret: "a secret of tests that is long enough",
    redirect_uris: [redirectUri], response_types: ["code"], grant_types: ["authorization_code"],
    id_token_signed_response_alg: "ES256",
  }],
  jwks: { keys: [key] },
  cookies: { keys: ["keys of the tests' cookies"] },
  pkce: { required: () => true },
  findAccount: (_context, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
});
createServer(provider.callback()).listen(Number(port), "127.0.0.1", () => console.log("ready"));

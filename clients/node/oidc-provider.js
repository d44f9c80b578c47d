// An OpenID provider for trying Tokenry: https://github.com/panva/node-oidc-provider with its development login, which
// accepts any name and any password. Never use it for real people.
//
// node oidc-provider.js PORT TOKENRY_URL
import { Provider } from 'oidc-provider';

const [port, tokenry] = process.argv.slice(2);
const issuer = `http://127.0.0.1:${port}`;

const provider = new Provider(issuer, {
  clients: [{
    client_id: 'tokenry',
    client_secret: process.env.CLIENT_SECRET,
    redirect_uris: [`${tokenry}/session/oidc/corp/callback`],
    post_logout_redirect_uris: [`${tokenry}/sign-in`],
    response_types: ['code'],
    grant_types: ['authorization_code'],
  }],
  // Tokenry reads names and groups from the ID token alone.
  conformIdTokenClaims: false,
  claims: { openid: ['sub'], profile: ['name', 'groups'] },
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({ sub: id, name: `The ${id}`, groups: id === 'chief' ? ['operators'] : ['staff'] }),
  }),
  pkce: { required: () => true },
  cookies: { keys: [process.env.CLIENT_SECRET] },
  features: { devInteractions: { enabled: true }, rpInitiatedLogout: { enabled: true } },
});

provider.listen(Number(port), '127.0.0.1', () => console.log(`provider: ${issuer}`));

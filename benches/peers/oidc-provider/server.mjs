// oidc-provider as it is run in production, with what the bench asks for: JWT access tokens (RFC 9068) by
// client_credentials, signed with RS256 or ES256. Usage: node server.mjs PORT
import { exportJWK, generateKeyPair } from 'jose';
import Provider from 'oidc-provider';

const port = Number(process.argv[2]);
const issuer = `http://localhost:${port}`;

async function key(alg, options) {
  const { privateKey } = await generateKeyPair(alg, { extractable: true, ...options });
  return { ...(await exportJWK(privateKey)), alg, use: 'sig', kid: alg };
}

const keys = [await key('RS256', { modulusLength: 2048 }), await key('ES256')];
const client = (client_id) => ({
  client_id,
  client_secret: 'a-secret-that-only-the-benchmark-uses-0123456789',
  grant_types: ['client_credentials'],
  redirect_uris: [],
  response_types: [],
  token_endpoint_auth_method: 'client_secret_basic',
});

const provider = new Provider(issuer, {
  clients: [client('bench'), client('bench-es256')],
  jwks: { keys },
  ttl: { ClientCredentials: 900 },
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => issuer,
      getResourceServerInfo: (ctx, resource, client) => ({
        scope: '',
        audience: issuer,
        accessTokenTTL: 900,
        accessTokenFormat: 'jwt',
        jwt: { sign: { alg: client.clientId === 'bench' ? 'RS256' : 'ES256' } },
      }),
      useGrantedResource: () => true,
    },
  },
});
provider.listen(port, '127.0.0.1');

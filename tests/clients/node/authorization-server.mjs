// An OAuth 2.1 authorization server: `authorization-server.mjs NODE_MODULES RESOURCE SCOPE`. It prints its issuer, and
// gives the client `agent` with the secret `secret` JSON web tokens for the resource and the scope.

import { createServer } from 'node:http';
import { pathToFileURL } from 'node:url';

const [modules, resource, scope] = process.argv.slice(2);
const { default: Provider } = await import(pathToFileURL(`${modules}/oidc-provider/lib/index.js`));

const server = createServer();
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: 'agent',
        client_secret: 'secret',
        grant_types: ['client_credentials'],
        redirect_uris: [],
        response_types: [],
      },
    ],
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: () => ({ scope, audience: resource, accessTokenFormat: 'jwt' }),
      },
    },
    scopes: [scope],
  });
  server.on('request', provider.callback());
  console.log(issuer);
});

// The clients and people that the stories need, as manifests.
const object = (kind, name, spec) => ({ apiVersion: "oidc-operator.dev/v1alpha1", kind, metadata: { name }, spec });
const secret = (name, stringData) => ({ apiVersion: "v1", kind: "Secret", metadata: { name }, stringData });

export const SECRET = "a secret that the relying party knows";
export const PASSWORD = "correct horse battery staple";
export const LOGO = "https://shop.example.com/logo.svg";

const LONG =
  "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft & Söhne <b>Internationale</b> Handelsges. m.b.H";

// Clients by what is special about them.
const clients = {
  // everything that a page can show of a client
  shop: {
    displayName: "Corner Shop",
    logoUri: LOGO,
    clientUri: "https://shop.example.com/",
    policyUri: "https://shop.example.com/privacy",
    tosUri: "https://shop.example.com/terms",
    scopes: ["openid", "profile", "email", "offline_access"],
    grantTypes: ["authorization_code", "refresh_token"],
  },
  // the longest name, and every scope
  long: {
    displayName: LONG,
    clientUri: `https://shop.example.com/${"long/".repeat(20)}`,
    scopes: ["openid", "profile", "email", "address", "phone", "groups", "offline_access", `orders.${"read-".repeat(12)}all`],
  },
  // no questions
  trusted: { displayName: "Trusted", consent: "skip" },
  // a question each time
  careful: { displayName: "Careful", consent: "required" },
  // not for everybody
  closed: { displayName: "Members only", allowedGroups: ["members"] },
};

export const clientIds = Object.keys(clients);

// The manifests of all clients, whose application is at `app`.
export function clientManifests(app) {
  return clientIds.flatMap((name) => [
    object("OidcClient", name, {
      clientId: name,
      redirectUris: [`${app}/callback/${name}`],
      postLogoutRedirectUris: [`${app}/signed-out/${name}`],
      secretRef: { name: "relying-party" },
      ...clients[name],
    }),
  ]);
}

export const sharedManifests = [
  secret("relying-party", { CLIENT_SECRET: SECRET }),
  secret("password", { password: PASSWORD }),
  object("SigningKey", "main", { algorithm: "RS256", default: true }),
];

// A person; `more` are members of their spec.
export const personManifest = (username, more) =>
  object("OidcUser", username.toLowerCase().replaceAll(/[^a-z0-9-]/g, "-"), {
    username,
    subject: `subject-of-${username}`.slice(0, 60),
    name: `${username[0].toUpperCase()}${username.slice(1)} Example`,
    email: "somebody@example.com",
    passwordSecretRef: { name: "password" },
    ...more,
  });

// The application. `/refresh/` and `/iframe/` are two registrations of it, which renew their tokens in the
// two ways; react-oidc-context takes the refresh token if it got one, else the hidden frame.
import { useState } from "react";
import { createRoot } from "react-dom/client";
import { AuthProvider, useAuth } from "react-oidc-context";

function App({ settings }) {
  const auth = useAuth();
  const [user, setUser] = useState();

  if (auth.isLoading && !auth.user) return <p>One moment …</p>;
  if (!auth.isAuthenticated) {
    return (
      <>
        {auth.error && <p role="alert">{auth.error.innerError?.error ?? auth.error.error ?? auth.error.message}</p>}
        <button onClick={() => auth.signinRedirect()}>Sign in</button>
      </>
    );
  }
  // an API of another origin, as a single-page application calls it
  const ask = async () => {
    const answer = await fetch(`${settings.authority}/userinfo`, {
      headers: { authorization: `Bearer ${auth.user.access_token}` },
    });
    setUser(await answer.json());
  };
  return (
    <>
      {auth.error && <p role="alert">{auth.error.innerError?.error ?? auth.error.error ?? auth.error.message}</p>}
      <h1>Hello {auth.user.profile.sub}</h1>
      <output aria-label="access token">{auth.user.access_token}</output>
      <button onClick={ask}>Who am I?</button>
      <button onClick={() => auth.signoutRedirect()}>Sign out</button>
      {user && <output aria-label="user">{`${user.name}, ${user.email}`}</output>}
    </>
  );
}

const { authority, renewAfter } = await (await fetch("/settings.json")).json();
const [, way] = location.pathname.split("/");
const settings = {
  authority, // the issuer; all else comes from its discovery document
  client_id: `react-${way}`,
  redirect_uri: `${location.origin}/${way}/`, // the hidden frame comes back there too
  post_logout_redirect_uri: `${location.origin}/${way}/`,
  scope: "openid profile email",
  // renewal is on by default, a minute before the access token expires
  ...(renewAfter && { accessTokenExpiringNotificationTimeInSeconds: 1e6 }),
  // code and state should not stay in the address
  onSigninCallback: () => history.replaceState({}, "", location.pathname),
};
createRoot(document.getElementById("app")).render(
  <AuthProvider {...settings}>
    <App settings={settings} />
  </AuthProvider>,
);

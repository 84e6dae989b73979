/** What every page begins with: the configuration, the signed-in person, the language; then the page's own app. */
import { call } from "../api.js";
import { currentSession, onSession } from "../session.js";
import { t } from "../i18n/index.js";
import { errorText } from "./errors.js";
import { html, render, useEffect, useState } from "./html.js";
import { useLanguage } from "./language_switch.js";
import { Login } from "./login.js";

/** Mounts `App` with `{config, session}` once somebody of `roles` is signed in; a demo offers accounts of `offered`. */
export function startPage(App, { roles, offered = roles, title }) {
  const props = { App, roles, offered, title };
  render(html`<${Page} ...${props} />`, document.getElementById("app"));
}

function Page({ App, roles, offered, title }) {
  useLanguage();
  const [config, error, retry] = useConfig();
  const session = useSession();
  useEffect(() => {
    document.title = `${t(title)} · ${t("brand")}`;
  });
  if (error) return html`<${Unreachable} error=${error} retry=${retry} />`;
  if (!config) return html`<p class="page-wait" role="status">${t("page.loading")}</p>`;
  if (!session) return html`<${Login} config=${config} roles=${offered} />`;
  if (!roles.includes(session.account.role))
    return html`<${Login} config=${config} roles=${offered} note=${t("login.wrong_role", { role: t(`role.${session.account.role}`) })} />`;
  return html`<${App} config=${config} session=${session} key=${session.account.account_id} />`;
}

export function useSession() {
  const [session, setSession] = useState(currentSession());
  useEffect(() => onSession(setSession), []);
  return session;
}

function useConfig() {
  const [state, setState] = useState([null, null]);
  const load = () =>
    call("GET", "/api/v1/config", { anonymous: true })
      .then((config) => setState([config, null]))
      .catch((error) => setState([null, error]));
  useEffect(() => void load(), []);
  return [...state, load];
}

const Unreachable = ({ error, retry }) => html`<main class="page-wait" role="alert">
  <p>${errorText(error)}</p>
  <button class="button button--primary" onClick=${retry}>${t("action.retry")}</button>
</main>`;

/** Loads once a `key`; gives `{value, error, reload}`. A later answer never overwrites a newer one's. */
export function useLoaded(load, key) {
  const [state, setState] = useState({ value: null, error: null });
  const [round, setRound] = useState(0);
  useEffect(() => {
    let stale = false;
    load()
      .then((value) => !stale && setState({ value, error: null }))
      .catch((error) => !stale && setState((had) => ({ ...had, error })));
    return () => (stale = true);
  }, [key, round]);
  return { ...state, reload: () => setRound((count) => count + 1) };
}

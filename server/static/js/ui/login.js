/** Signing in: a small form, and in a demo the demo's own accounts at one tap. */
import { signIn } from "../session.js";
import { t } from "../i18n/index.js";
import { errorText } from "./errors.js";
import { html, useState } from "./html.js";
import { LanguageSwitch } from "./language_switch.js";

/** @param {{config:object, roles:string[], note?:string}} props `roles` that this page is for, to offer first */
export function Login({ config, roles, note }) {
  const [error, setError] = useState(null);
  const [busy, setBusy] = useState(false);
  const enter = async (login, password) => {
    setBusy(true);
    setError(null);
    await signIn(login, password).catch((failure) => (setError(failure), setBusy(false)));
  };
  const submit = (event) => {
    event.preventDefault();
    const form = new FormData(event.target);
    enter(form.get("login"), form.get("password"));
  };
  const fitting = (config.demo_accounts ?? []).filter((one) => roles.includes(one.role));
  return html`<main class="login">
    <div class="login__panel">
      <div class="row row--between"><p class="brand">${t("brand")}</p><${LanguageSwitch} /></div>
      <h1>${t("login.title")}</h1>
      ${note && html`<p class="notice">${note}</p>`}
      <form class="stack" onSubmit=${submit}>
        <label class="field"
          ><span>${t("login.login")}</span
          ><input name="login" autocomplete="username" required data-testid="login-name"
        /></label>
        <label class="field"
          ><span>${t("login.password")}</span
          ><input name="password" type="password" autocomplete="current-password" required data-testid="login-password"
        /></label>
        ${error && html`<p class="form-error" role="alert" data-testid="login-error">${errorText(error)}</p>`}
        <button class="button button--primary button--wide" disabled=${busy} data-testid="login-submit">${t("login.submit")}</button>
      </form>
      ${fitting.length > 0 && html`<${DemoAccounts} accounts=${fitting} enter=${enter} busy=${busy} />`}
    </div>
  </main>`;
}

const DemoAccounts = ({ accounts, enter, busy }) => html`<section class="demo-accounts">
  <h2>${t("login.demo")}</h2>
  <ul>
    ${accounts.map(
      (one) => html`<li key=${one.login}>
        <button type="button" class="account" disabled=${busy} onClick=${() => enter(one.login, one.password)} data-testid=${`demo-account-${one.login}`}>
          <span class="avatar" aria-hidden="true">${[...one.display_name][0]}</span>
          <span class="account__name">${one.display_name}</span>
          <span class="account__role">${t(`role.${one.role}`)}</span>
        </button>
      </li>`,
    )}
  </ul>
</section>`;

/** The password once more before an order is handed in: the server asks for it, and gives a short-lived proof. */
import { post } from "../../api.js";
import { t } from "../../i18n/index.js";
import { html, useEffect, useRef, useState } from "../../ui/html.js";
import { Sheet } from "../../ui/sheet.js";
import { Countdown, useLeftMs } from "./countdown.js";
import { Refusal } from "./refusal.js";

/** @param {{order:object, clock:object, proved:(proof:string)=>void, onClose:()=>void}} props */
export function IdentitySheet({ order, clock, proved, onClose }) {
  const leftMs = useLeftMs(order, clock);
  const field = useRef(null);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(null);
  useEffect(() => field.current.focus(), []);
  const submit = async (event) => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      const { identity_proof } = await post("/api/v1/identity-proofs", { password: field.current.value });
      proved(identity_proof);
    } catch (failure) {
      setError(failure);
      setBusy(false);
      field.current.select();
    }
  };
  const wrong = error?.code === "bad_credentials";
  return html`<${Sheet} title=${t("identity.title")} kind="paper" onClose=${onClose} testid="identity">
    <form class="stack" onSubmit=${submit}>
      <p>${t("identity.why")}</p>
      <label class="field"
        ><span>${t("login.password")}</span>
        <input ref=${field} type="password" autocomplete="current-password" required aria-invalid=${wrong ? "true" : null} data-testid="identity-password" />
      </label>
      ${error && html`<${Refusal} code=${wrong ? "wrong_password" : error.code} detail=${error.detail} />`}
      <${Countdown} leftMs=${leftMs} />
      <div class="sheet-foot">
        <button class="button button--primary button--wide" disabled=${busy} data-testid="identity-confirm">${t(busy ? "confirm.busy" : "identity.confirm")}</button>
      </div>
    </form>
  </${Sheet}>`;
}

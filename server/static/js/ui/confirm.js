/** A question before something that cannot be taken back, with a reason where the act is recorded with one. */
import { t } from "../i18n/index.js";
import { html, useState } from "./html.js";
import { Sheet } from "./sheet.js";

/**
 * @param {{title:string, text:string, action:string, reasonLabel?:string, danger?:boolean, testid?:string,
 *   onConfirm:(reason:string)=>void, onClose:()=>void}} props
 */
export function Confirm({ title, text, action, reasonLabel, danger, testid, onConfirm, onClose }) {
  const [reason, setReason] = useState("");
  const submit = (event) => {
    event.preventDefault();
    onConfirm(reason.trim());
  };
  return html`<${Sheet} title=${title} kind="confirm" onClose=${onClose}>
    <form class="stack" onSubmit=${submit}>
      <p>${text}</p>
      ${reasonLabel &&
      html`<label class="field"
        ><span>${reasonLabel}</span>
        <input value=${reason} onInput=${(event) => setReason(event.target.value)} required maxlength="200" data-testid=${testid && `${testid}-reason`} />
      </label>`}
      <div class="row row--end">
        <button type="button" class="button" onClick=${onClose}>${t("action.cancel")}</button>
        <button class=${`button ${danger ? "button--danger" : "button--primary"}`} data-testid=${testid && `${testid}-confirm`}>${action}</button>
      </div>
    </form>
  </${Sheet}>`;
}

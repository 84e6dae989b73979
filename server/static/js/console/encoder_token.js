/** A token for OBS or another WHIP encoder: shown once, for this broadcast only, and revocable. */
import { call, post } from "../api.js";
import { formatMinute, t } from "../i18n/index.js";
import { errorText } from "../ui/errors.js";
import { html, useRef, useState } from "../ui/html.js";
import { Sheet } from "../ui/sheet.js";

export function EncoderToken({ broadcastId, say, onClose }) {
  const [issued, setIssued] = useState(null);
  const path = `/api/v1/broadcasts/${broadcastId}/encoder-tokens`;
  const failed = (error) => say(errorText(error), "bad");
  const issue = () => post(path).then(setIssued, failed);
  const revoke = () =>
    call("DELETE", `${path}/${issued.token_id}`).then(() => (say(t("encoder.revoked"), "good"), onClose()), failed);
  return html`<${Sheet} title=${t("encoder.title")} kind="confirm" onClose=${onClose}>
    <div class="stack">
      <p>${t("encoder.intro")}</p>
      ${issued
        ? html`<${Copyable} label=${t("encoder.url")} value=${`${location.origin}/whip/${broadcastId}`} say=${say} testid="encoder-url" />
            <${Copyable} label=${t("encoder.token")} value=${issued.token} say=${say} testid="encoder-token" />
            <p class="small">${t("encoder.until", { at: formatMinute(issued.expires_at) })}</p>
            <p class="notice">${t("encoder.once")}</p>
            <button type="button" class="button button--danger" onClick=${revoke} data-testid="encoder-revoke">${t("encoder.revoke")}</button>`
        : html`<button type="button" class="button button--primary" onClick=${issue} data-testid="encoder-issue">${t("encoder.issue")}</button>`}
    </div>
  </${Sheet}>`;
}

/** Browsers keep the clipboard's own interface from plain http, as phones use it with `--lan`; the old command works there. */
async function copied(field) {
  field.select();
  if (!navigator.clipboard) return document.execCommand("copy");
  return navigator.clipboard.writeText(field.value).then(() => true, () => false);
}

function Copyable({ label, value, say, testid }) {
  const field = useRef(null);
  const copy = () => copied(field.current).then((done) => (done ? say(t("encoder.copied"), "good") : say(t("encoder.copy_by_hand"))));
  return html`<div class="copyable">
    <label class="field"><span>${label}</span><input ref=${field} class="mono" readonly value=${value} onFocus=${(event) => event.target.select()} data-testid=${testid} /></label>
    <button type="button" class="button" onClick=${copy} data-testid=${`${testid}-copy`}>${t("encoder.copy")}</button>
  </div>`;
}

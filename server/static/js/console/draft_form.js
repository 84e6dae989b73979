/** Writing a broadcast: a new draft, or an edit, which voids an approval that was given. */
import { call, get } from "../api.js";
import { t } from "../i18n/index.js";
import { Rating } from "../ui/card_facts.js";
import { errorText } from "../ui/errors.js";
import { html, useState } from "../ui/html.js";
import { useLoaded } from "../ui/page.js";
import { Sheet } from "../ui/sheet.js";

const APPROVED = new Set(["approved", "scheduled"]);

/** "2026-11-23T12:00" in this device's zone for a date-time field. */
function toLocal(moment) {
  if (!moment) return "";
  const date = new Date(moment);
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

export function DraftForm({ broadcast, monitors, onSaved, onClose }) {
  const [error, setError] = useState(null);
  const [busy, setBusy] = useState(false);
  const submit = async (event) => {
    event.preventDefault();
    setBusy(true);
    const form = new FormData(event.target);
    const body = {
      title: form.get("title").trim(),
      summary: form.get("summary").trim(),
      monitor_id: form.get("monitor_id").trim() || null,
      product_ids: form.getAll("product_ids"),
      scheduled_at: form.get("scheduled_at") ? new Date(form.get("scheduled_at")).toISOString() : null,
    };
    const [method, path] = broadcast ? ["PATCH", `/api/v1/broadcasts/${broadcast.broadcast_id}`] : ["POST", "/api/v1/broadcasts"];
    try {
      const headers = broadcast ? { "If-Match": `"${broadcast.version}"` } : {};
      onSaved(await call(method, path, { body, headers }));
    } catch (failure) {
      setError(failure);
      setBusy(false);
    }
  };
  return html`<${Sheet} title=${t(broadcast ? "draft.edit" : "draft.new")} kind="confirm" onClose=${onClose}>
    <form class="stack" onSubmit=${submit}>
      ${APPROVED.has(broadcast?.state) && html`<p class="notice">${t("draft.voids")}</p>`}
      <label class="field"><span>${t("draft.title")}</span><input name="title" required maxlength="120" value=${broadcast?.title ?? ""} data-testid="draft-title" /></label>
      <label class="field"><span>${t("draft.summary")}</span><textarea name="summary" rows="3" maxlength="2000" data-testid="draft-summary">${broadcast?.summary ?? ""}</textarea></label>
      <label class="field"><span>${t("draft.when")}</span><input name="scheduled_at" type="datetime-local" value=${toLocal(broadcast?.scheduled_at)} /></label>
      <label class="field"
        ><span>${t("draft.monitor")}</span>
        <input name="monitor_id" list="known-monitors" pattern="ac_[0-9a-z_]+" value=${broadcast?.monitor?.account_id ?? monitors[0]?.account_id ?? ""} data-testid="draft-monitor" />
      </label>
      <datalist id="known-monitors">
        ${monitors.map((one) => html`<option key=${one.account_id} value=${one.account_id}>${one.display_name}</option>`)}
      </datalist>
      <${ShelfChoice} chosen=${broadcast?.product_ids ?? []} />
      ${error && html`<p class="form-error" role="alert">${errorText(error)}</p>`}
      <div class="row row--end">
        <button type="button" class="button" onClick=${onClose}>${t("action.cancel")}</button>
        <button class="button button--primary" disabled=${busy} data-testid="draft-save">${t("action.save")}</button>
      </div>
    </form>
  </${Sheet}>`;
}

/** What is on sale, to put on the shelf; what was on it and is off sale now can only be taken down. */
function ShelfChoice({ chosen }) {
  const products = useLoaded(() => get("/api/v1/products?limit=200"), "choice");
  const choices = (products.value?.products ?? []).filter((one) => one.approved_version !== null || chosen.includes(one.product_id));
  return html`<fieldset class="shelf-choice" data-testid="draft-shelf">
    <legend>${t("draft.shelf")}</legend>
    <p class="small">${t("draft.shelf_note")}</p>
    ${products.error && html`<p class="form-error" role="alert">${errorText(products.error)}</p>`}
    ${products.value && choices.length === 0 && html`<p class="empty">${t("draft.shelf_none")}</p>`}
    ${choices.map(
      (one) => html`<label key=${one.product_id}>
        <input type="checkbox" name="product_ids" value=${one.product_id} defaultChecked=${chosen.includes(one.product_id)} />
        <${Rating} card=${one} /><span>${one.name}${one.approved_version === null ? ` · ${t("shelf.off_sale")}` : ""}</span>
      </label>`,
    )}
  </fieldset>`;
}

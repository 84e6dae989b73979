/** Documents are opened and read, then the customer agrees in their own words; no clock runs against them here. */
import { getText } from "../../api.js";
import { t } from "../../i18n/index.js";
import { errorText } from "../../ui/errors.js";
import { html, useState } from "../../ui/html.js";
import { Icon } from "../../ui/icons.js";
import { useLoaded } from "../../ui/page.js";
import { Sheet } from "../../ui/sheet.js";
import { Agreement, useAgreement } from "./agreement.js";
import { Failure } from "./refusal.js";
import { useDwell } from "./use_dwell.js";
import { needsExtra } from "./use_purchase.js";

export function AcknowledgeStep({ card, state, acknowledge, restart }) {
  const { gate, error, busy } = state;
  const [reading, setReading] = useState(null);
  const [opened, setOpened] = useState([]);
  const [extraRead, setExtraRead] = useState(false);
  const [legible, setLegible] = useState(false);
  const agreement = useAgreement(gate.acknowledgement_text);
  const dwellMs = useDwell(reading !== null && legible);
  const open = (document) => (setLegible(false), setReading(document));
  const shown = () => {
    setLegible(true);
    setOpened((had) => [...new Set([...had, reading.document_id])]);
  };
  const unread = card.documents.filter((one) => !opened.includes(one.document_id));
  const leftMs = Math.max(0, gate.minimum_dwell_ms - dwellMs);
  const read = unread.length === 0 && leftMs === 0;
  const extra = needsExtra(gate) ? gate.extra_disclosure : null;
  const submit = (event) => {
    event.preventDefault();
    const fields = { ...agreement.fields, documents_opened: opened, dwell_ms: dwellMs };
    acknowledge(extra ? { ...fields, extra_disclosure_read: extraRead } : fields);
  };
  return html`<form class="stack" onSubmit=${submit}>
    <p>${t("ack.intro")}</p>
    <${Documents} documents=${card.documents} opened=${opened} goOn=${unread.length === 0 && leftMs > 0} open=${open} />
    <${Dwell} ms=${dwellMs} neededMs=${gate.minimum_dwell_ms} />
    ${extra && html`<label class="check"><input type="checkbox" checked=${extraRead} onChange=${(event) => setExtraRead(event.target.checked)} data-testid="extra-read" /><span>${extra.text}</span></label>`}
    <${Agreement} view=${agreement.view} disabled=${!read} />
    <${Failure} error=${error} restart=${restart} />
    <div class="sheet-foot">
      <p class="missing" role="status" data-testid="ack-missing">${missing({ unread, leftMs, agreed: agreement.agreed, extraOpen: extra && !extraRead })}</p>
      <button class="button button--primary button--wide" disabled=${!read || !agreement.agreed || busy || (extra && !extraRead)} data-testid="ack-next">${t("ack.agree")}</button>
    </div>
    ${reading && html`<${Reader} document=${reading} leftMs=${leftMs} onShown=${shown} onClose=${() => setReading(null)} />`}
  </form>`;
}

/** The one thing to do next, in words; nothing when all is done. It changes with the steps, never with the seconds. */
function missing({ unread, leftMs, agreed, extraOpen }) {
  if (unread.length > 0) return t("ack.missing_documents", { titles: unread.map((one) => one.title).join("、") });
  if (leftMs > 0) return t("ack.missing_time");
  if (extraOpen) return t("ack.missing_extra");
  return agreed ? null : t("ack.missing_sentence");
}

/** `goOn`: all were opened, but not long enough, so that each may be opened again. */
const Documents = ({ documents, opened, goOn, open }) => html`<ul class="documents">
  ${documents.map((one) => {
    const done = opened.includes(one.document_id);
    return html`<li key=${one.document_id}>
      <button type="button" class="document" onClick=${() => open(one)} data-testid="doc-open" data-document-id=${one.document_id}>
        <${Icon} name="document" /><span>${one.title}</span>
        <span class=${done && !goOn ? "document__done" : "document__todo"}>${t(!done ? "ack.to_open" : goOn ? "ack.read_on" : "ack.opened")}</span>
      </button>
    </li>`;
  })}
</ul>`;

const Dwell = ({ ms, neededMs }) => html`<div class="dwell">
  <progress max=${Math.max(1, neededMs)} value=${Math.min(ms, neededMs)} aria-label=${t("ack.dwell_label")}></progress>
  <span data-testid="dwell">${ms >= neededMs ? t("ack.dwell_done") : t("ack.dwell", { seconds: Math.ceil((neededMs - ms) / 1000) })}</span>
</div>`;

/** Reading counts from the moment the text stands on screen, not from the tap; the time still missing counts down. */
function Reader({ document, leftMs, onShown, onClose }) {
  const text = useLoaded(() => getText(document.url).then((got) => (onShown(), got)), document.document_id);
  return html`<${Sheet} title=${document.title} onClose=${onClose} kind="reader" testid="document" closeTestid="doc-close">
    ${text.error && html`<p class="form-error" role="alert">${errorText(text.error)}</p>`}
    ${text.value === null && !text.error && html`<p role="status">${t("page.loading")}</p>`}
    <article class="document-text" tabindex="0" aria-label=${document.title}>${text.value}</article>
    <p class="small digest">SHA-256 ${document.sha256}</p>
    <div class="sheet-foot">
      <p class="missing" data-testid="reader-left">${leftMs > 0 ? t("ack.dwell", { seconds: Math.ceil(leftMs / 1000) }) : t("ack.dwell_done")}</p>
      <button type="button" class="button button--wide ${leftMs > 0 ? "" : "button--primary"}" onClick=${onClose} data-testid="doc-done">${t("ack.reader_back")}</button>
    </div>
  </${Sheet}>`;
}

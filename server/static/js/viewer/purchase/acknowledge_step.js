/** Documents are opened and read, then the sentence is written by hand; no clock runs against the customer here. */
import { getText } from "../../api.js";
import { t } from "../../i18n/index.js";
import { errorText } from "../../ui/errors.js";
import { html, useState } from "../../ui/html.js";
import { Icon } from "../../ui/icons.js";
import { useLoaded } from "../../ui/page.js";
import { Sheet } from "../../ui/sheet.js";
import { Failure } from "./refusal.js";
import { useDwell } from "./use_dwell.js";
import { needsExtra } from "./use_purchase.js";

const without = (text) => text.normalize("NFKC").replace(/[\s,。，.]/g, "");

export function AcknowledgeStep({ card, state, acknowledge, restart }) {
  const { gate, error, busy } = state;
  const [reading, setReading] = useState(null);
  const [opened, setOpened] = useState([]);
  const [typed, setTyped] = useState("");
  const [extraRead, setExtraRead] = useState(false);
  const [legible, setLegible] = useState(false);
  const dwellMs = useDwell(reading !== null && legible);
  const open = (document) => (setLegible(false), setReading(document));
  const shown = () => {
    setLegible(true);
    setOpened((had) => [...new Set([...had, reading.document_id])]);
  };
  const read = card.documents.every((one) => opened.includes(one.document_id)) && dwellMs >= gate.minimum_dwell_ms;
  const right = without(typed) === without(gate.acknowledgement_text);
  const extra = needsExtra(gate) ? gate.extra_disclosure : null;
  const submit = (event) => {
    event.preventDefault();
    const fields = { typed_text: typed.trim(), documents_opened: opened, dwell_ms: dwellMs };
    acknowledge(extra ? { ...fields, extra_disclosure_read: extraRead } : fields);
  };
  return html`<form class="stack" onSubmit=${submit}>
    <p>${t("ack.intro")}</p>
    <ul class="documents">
      ${card.documents.map(
        (one) => html`<li key=${one.document_id}>
          <button type="button" class="document" onClick=${() => open(one)} data-testid="doc-open" data-document-id=${one.document_id}>
            <${Icon} name="document" /><span>${one.title}</span>
            <span class=${opened.includes(one.document_id) ? "document__done" : "document__todo"}>
              ${t(opened.includes(one.document_id) ? "ack.opened" : "ack.to_open")}
            </span>
          </button>
        </li>`,
      )}
    </ul>
    <${Dwell} ms=${dwellMs} neededMs=${gate.minimum_dwell_ms} />
    ${extra && html`<label class="check"><input type="checkbox" checked=${extraRead} onChange=${(event) => setExtraRead(event.target.checked)} data-testid="extra-read" /><span>${extra.text}</span></label>`}
    <div class="field">
      <label for="ack-text">${t("ack.type")}</label>
      <p class="ack-sentence" id="ack-sentence" lang="zh-Hans">${gate.acknowledgement_text}</p>
      <textarea id="ack-text" rows="2" lang="zh-Hans" value=${typed} aria-describedby="ack-sentence" disabled=${!read}
        onInput=${(event) => setTyped(event.target.value)} onPaste=${(event) => event.preventDefault()} data-testid="ack-text"></textarea>
      <p class="small">${t(read ? "ack.no_paste" : "ack.read_first")}</p>
    </div>
    <${Failure} error=${error} restart=${restart} />
    <div class="sheet-foot">
      <button class="button button--primary button--wide" disabled=${!read || !right || busy || (extra && !extraRead)} data-testid="ack-next">${t("ack.agree")}</button>
    </div>
    ${reading && html`<${Reader} document=${reading} onShown=${shown} onClose=${() => setReading(null)} />`}
  </form>`;
}

const Dwell = ({ ms, neededMs }) => html`<div class="dwell" role="status">
  <progress max=${Math.max(1, neededMs)} value=${Math.min(ms, neededMs)} aria-label=${t("ack.dwell_label")}></progress>
  <span>${ms >= neededMs ? t("ack.dwell_done") : t("ack.dwell", { seconds: Math.ceil((neededMs - ms) / 1000) })}</span>
</div>`;

/** Reading counts from the moment the text stands on screen, not from the tap. */
function Reader({ document, onShown, onClose }) {
  const text = useLoaded(() => getText(document.url).then((got) => (onShown(), got)), document.document_id);
  return html`<${Sheet} title=${document.title} onClose=${onClose} kind="reader" testid="document" closeTestid="doc-close">
    ${text.error && html`<p class="form-error" role="alert">${errorText(text.error)}</p>`}
    ${text.value === null && !text.error && html`<p role="status">${t("page.loading")}</p>`}
    <article class="document-text" tabindex="0">${text.value}</article>
    <p class="small digest">SHA-256 ${document.sha256}</p>
  </${Sheet}>`;
}

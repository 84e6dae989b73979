/**
 * The customer's own act of agreeing: the sentence typed by hand, or, for those who cannot type, each part of it
 * confirmed by a press of its own, in order. Which of the two it was is kept in evidence.
 */
import { t } from "../../i18n/index.js";
import { html, useState } from "../../ui/html.js";
import { Icon } from "../../ui/icons.js";

const lettersOf = (text) => text.normalize("NFKC").replace(/[\s,。，.]/g, "");

/** A comma of the other width, or a full stop too many: kept is the sentence to the letter, so the page says it. */
const onlyMarksDiffer = (typed, sentence) => typed.trim() !== sentence && lettersOf(typed) === lettersOf(sentence);

/** The sentence in the parts that its own commas make: together they are the sentence. */
const partsOf = (sentence) => sentence.split(/(?<=，)/);

/**
 * What was agreed so far, for the form around it.
 * @returns {{agreed:boolean, fields:{typed_text:string, method:"typed"|"steps"}, view:object}}
 */
export function useAgreement(sentence) {
  const [method, setMethod] = useState("typed");
  const [typed, setTyped] = useState("");
  const [confirmed, setConfirmed] = useState(0);
  const agreed = method === "typed" ? typed.trim() === sentence : confirmed === partsOf(sentence).length;
  const fields = { typed_text: method === "typed" ? typed.trim() : sentence, method };
  const change = (next) => (setMethod(next), setTyped(""), setConfirmed(0));
  return { agreed, fields, view: { sentence, method, change, typed, setTyped, confirmed, setConfirmed } };
}

export const Agreement = ({ view, disabled }) => html`<div class="field">
  ${view.method === "typed" ? html`<${Typed} ...${view} disabled=${disabled} />` : html`<${Steps} ...${view} disabled=${disabled} />`}
  <button type="button" class="link-button" onClick=${() => view.change(view.method === "typed" ? "steps" : "typed")} data-testid="ack-method">
    ${t(view.method === "typed" ? "ack.cannot_type" : "ack.rather_type")}
  </button>
</div>`;

const Typed = ({ sentence, typed, setTyped, disabled }) => html`
  <label for="ack-text">${t("ack.type")}</label>
  <p class="ack-sentence" id="ack-sentence" lang="zh-Hans">${sentence}</p>
  <textarea id="ack-text" rows="2" lang="zh-Hans" value=${typed} aria-describedby="ack-sentence ack-hint" disabled=${disabled}
    onInput=${(event) => setTyped(event.target.value)} onPaste=${(event) => event.preventDefault()} data-testid="ack-text"></textarea>
  <p class="small" id="ack-hint">${t(onlyMarksDiffer(typed, sentence) ? "ack.marks" : "ack.no_paste")}</p>
`;

function Steps({ sentence, confirmed, setConfirmed, disabled }) {
  return html`<p id="ack-steps">${t("ack.steps")}</p>
    <ol class="ack-steps" aria-labelledby="ack-steps">
      ${partsOf(sentence).map(
        (part, index) => html`<li key=${index}>
          <button type="button" class="ack-step" lang="zh-Hans" aria-pressed=${String(index < confirmed)} disabled=${disabled || index > confirmed}
            onClick=${() => setConfirmed(Math.max(confirmed, index + 1))} data-testid="ack-step">
            <span class="ack-step__box" aria-hidden="true">${index < confirmed && html`<${Icon} name="check" />`}</span>${part}
          </button>
        </li>`,
      )}
    </ol>
    <p class="small">${t("ack.steps_note")}</p>`;
}

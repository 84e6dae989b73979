/** The risk questionnaire as a sheet: every question a group of radio buttons, then the level, then the customer's yes. */
import { formatMinute, language, t } from "../../i18n/index.js";
import { html, useRef, useState } from "../../ui/html.js";
import { Sheet } from "../../ui/sheet.js";
import { Failure } from "../purchase/refusal.js";
import { unanswered, useAssessment } from "./use_assessment.js";

const words = (text) => (language().startsWith("zh") ? text.zh : text.en);

/** `done` leads back to what the level was needed for. */
export function AssessmentSheet({ done, onClose }) {
  const assessment = useAssessment();
  const { asked, result, error } = assessment.state;
  return html`<${Sheet} title=${t(result ? "assess.result" : "assess.title")} onClose=${onClose} kind="paper" testid="assessment">
    ${!asked && !error && html`<p class="processing" role="status"><span class="spinner" aria-hidden="true"></span>${t("page.loading")}</p>`}
    ${!asked && error &&
    html`<div class="stack">
      <${Failure} error=${error} />
      <button type="button" class="button button--wide" onClick=${assessment.begin}>${t("action.retry")}</button>
    </div>`}
    ${asked && (result ? html`<${Result} ...${assessment} done=${done} />` : html`<${Questions} ...${assessment} />`)}
  </${Sheet}>`;
}

function Questions({ state, choose, send }) {
  const form = useRef(null);
  const [asking, setAsking] = useState(false);
  const { asked, standing, answers, busy, error } = state;
  const open = unanswered(state);
  const submit = (event) => {
    event.preventDefault();
    setAsking(true);
    if (open.length === 0) send();
    else form.current.querySelector(`[name="${open[0].id}"]`).focus();
  };
  return html`<form class="stack assessment" ref=${form} onSubmit=${submit} noValidate>
    <p>${t("assess.lead")}</p>
    <p class="assessment__left">${t("assess.left", { today: standing.left_today, year: standing.left_in_year })}</p>
    ${asked.questions.map(
      (question, index) => html`<fieldset key=${question.id} class=${asking && !(question.id in answers) ? "is-open" : ""}>
        <legend>${index + 1}. ${words(question.text)}</legend>
        ${question.options.map(
          (option) => html`<label key=${option.id}>
            <input type="radio" name=${question.id} value=${option.id} checked=${answers[question.id] === option.id} onChange=${() => choose(question.id, option.id)} />
            <span>${words(option.text)}</span>
          </label>`,
        )}
      </fieldset>`,
    )}
    <div class="sheet-foot">
      ${asking && open.length > 0 && html`<p class="notice" role="alert">${t("assess.missing", { count: open.length })}</p>`}
      <${Failure} error=${error} />
      <button type="submit" class="button button--primary button--wide" disabled=${busy || standing.left_today === 0} data-testid="assessment-send">
        ${t(standing.left_today === 0 ? "assess.none_left" : "assess.send", { done: asked.questions.length - open.length, all: asked.questions.length })}
      </button>
    </div>
  </form>`;
}

function Result({ state, confirm, again, done }) {
  const { result, busy, error } = state;
  const { in_force: holds, previous_tolerance: before, risk_tolerance: after } = result;
  const changed = !result.confirmed && before !== null && before !== after;
  return html`<div class="stack assessment">
    <p class="assessment__level" role="status" data-testid="assessment-level">${result.risk_tolerance} ${t(`level.${result.risk_tolerance}`)}</p>
    <p>
      ${changed
        ? t(holds ? "assess.lowered" : "assess.changed", { before, after })
        : t("assess.in_force", { until: formatMinute(result.assessed_until) })}
    </p>
    <div class="sheet-foot">
      <${Failure} error=${error} restart=${null} />
      ${changed
        ? html`<button type="button" class="button button--primary button--wide" disabled=${busy} onClick=${confirm} data-testid="assessment-confirm">${t("assess.confirm", { level: after })}</button>
            <button type="button" class="button button--wide" disabled=${busy} onClick=${again}>${t("assess.again")}</button>
            ${!holds && html`<button type="button" class="button button--wide" disabled=${busy} onClick=${done}>${t("assess.keep", { level: before })}</button>`}`
        : html`<button type="button" class="button button--primary button--wide" onClick=${done} data-testid="assessment-done">${t("assess.done")}</button>`}
    </div>
  </div>`;
}

/** What the host says officially: an answer to the question taken up, an announcement, a poll. */
import { t } from "../i18n/index.js";
import { errorText } from "../ui/errors.js";
import { html, useState } from "../ui/html.js";
import { PollBox } from "../ui/poll_box.js";
import { Sheet } from "../ui/sheet.js";

const MOST_OPTIONS = 6;

export function StageTalk({ room, client, say }) {
  const [sheet, setSheet] = useState(null);
  const close = () => setSheet(null);
  const send = (frame) => client.act(frame).then(close, (error) => say(errorText(error), "bad"));
  const answer = (text) => send({ type: "answer", comment_id: room.question?.comment_id ?? null, text });
  return html`<div class="stack">
    <div class="row">
      ${room.question && html`<button type="button" class="button button--primary" onClick=${() => setSheet("answer")} data-testid="answer-open">${t("talk.answer")}</button>`}
      <button type="button" class="button" onClick=${() => setSheet("announce")} data-testid="announce-open">${t("talk.announce")}</button>
      ${!room.poll?.open && html`<button type="button" class="button" onClick=${() => setSheet("poll")} data-testid="poll-open">${t("poll.open")}</button>`}
    </div>
    <${PollBox} poll=${room.poll} client=${client} say=${say} closes />
    ${sheet === "answer" && html`<${TextSheet} title=${t("talk.answer")} quote=${room.question?.text} onSend=${answer} onClose=${close} testid="answer" />`}
    ${sheet === "announce" && html`<${TextSheet} title=${t("talk.announce")} onSend=${(text) => send({ type: "announce", text })} onClose=${close} testid="announce" />`}
    ${sheet === "poll" && html`<${PollSheet} onSend=${(question, options) => send({ type: "poll.open", question, options })} onClose=${close} />`}
  </div>`;
}

function TextSheet({ title, quote, onSend, onClose, testid }) {
  const [text, setText] = useState("");
  const submit = (event) => (event.preventDefault(), onSend(text.trim()));
  return html`<${Sheet} title=${title} kind="confirm" onClose=${onClose}>
    <form class="stack" onSubmit=${submit}>
      ${quote && html`<p><q>${quote}</q></p>`}
      <label class="field"><span>${t("talk.official_text")}</span><textarea value=${text} onInput=${(event) => setText(event.target.value)} required maxlength="500" rows="4" data-testid=${`${testid}-text`}></textarea></label>
      <p class="small">${t("talk.official_note")}</p>
      <div class="row row--end"><button class="button button--primary" data-testid=${`${testid}-send`}>${t("comments.send")}</button></div>
    </form>
  </${Sheet}>`;
}

function PollSheet({ onSend, onClose }) {
  const [question, setQuestion] = useState("");
  const [options, setOptions] = useState(["", ""]);
  const set = (index, value) => setOptions(options.map((had, at) => (at === index ? value : had)));
  const submit = (event) => (event.preventDefault(), onSend(question.trim(), options.map((one) => one.trim()).filter(Boolean)));
  return html`<${Sheet} title=${t("poll.open")} kind="confirm" onClose=${onClose}>
    <form class="stack" onSubmit=${submit}>
      <label class="field"><span>${t("poll.question")}</span><input value=${question} onInput=${(event) => setQuestion(event.target.value)} required maxlength="80" data-testid="poll-question" /></label>
      ${options.map((one, index) => html`<label class="field" key=${index}><span>${t("poll.option", { number: index + 1 })}</span><input value=${one} onInput=${(event) => set(index, event.target.value)} required=${index < 2} maxlength="80" data-testid="poll-option" /></label>`)}
      <div class="row row--end">
        ${options.length < MOST_OPTIONS && html`<button type="button" class="button" onClick=${() => setOptions([...options, ""])}>${t("poll.more")}</button>`}
        <button class="button button--primary" data-testid="poll-send">${t("poll.open")}</button>
      </div>
    </form>
  </${Sheet}>`;
}

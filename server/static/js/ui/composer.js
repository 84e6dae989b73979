/** The bar a viewer talks through: comment or question, points, likes. */
import { t } from "../i18n/index.js";
import { underOneId } from "../one_id.js";
import { errorText } from "./errors.js";
import { html, useState } from "./html.js";
import { Icon } from "./icons.js";

const SAID_PENDING_AFTER_MS = 1_000;

/** @param {{limits:object, client:object, say:function, disabled:boolean, children:preact.VNode}} props */
export function Composer({ limits, client, say, disabled, children }) {
  const [text, setText] = useState("");
  const [question, setQuestion] = useState(false);
  const [sending, setSending] = useState(false);
  const [slow, setSlow] = useState(false);
  // What is being sent stays in the box until it is settled: nobody can say it a second time meanwhile.
  const submit = async (event) => {
    event.preventDefault();
    const written = text.trim();
    if (!written || sending) return;
    const kind = question ? "question" : "comment";
    setSending(true);
    const timer = setTimeout(() => setSlow(true), SAID_PENDING_AFTER_MS);
    try {
      const { verdict } = await underOneId(`${kind} ${written}`, (id) => client.comment(written, kind, id));
      setText("");
      if (verdict !== "pass") say(t(`comments.verdict_${verdict}`), verdict === "block" ? "bad" : "info");
      setQuestion(false);
    } catch (error) {
      say(errorText(error), "bad");
    } finally {
      clearTimeout(timer);
      setSending(false);
      setSlow(false);
    }
  };
  return html`<div class=${`composer ${text ? "is-writing" : ""}`}>
    <form class="composer__form" onSubmit=${submit}>
      <button type="button" class="composer__kind" aria-pressed=${String(question)} aria-label=${t("comments.ask")} title=${t("comments.ask")} onClick=${() => setQuestion(!question)} disabled=${disabled || sending} data-testid="question-toggle">
        <${Icon} name="question" />
      </button>
      <label class="composer__field"
        ><span class="sr">${t(question ? "comments.ask" : "comments.say")}</span>
        <input
          id="say"
          value=${text}
          onInput=${(event) => setText(event.target.value)}
          placeholder=${t(question ? "comments.ask" : "comments.say")}
          maxlength=${limits.text_chars}
          enterkeyhint="send"
          autocomplete="off"
          disabled=${disabled}
          readonly=${sending}
          data-testid="comment-input"
        />
      </label>
      <span class="composer__pending" role="status" data-testid="comment-pending">${slow && t("comments.pending")}</span>
      ${text && html`<button class="composer__send" disabled=${sending} aria-label=${t("comments.send")} data-testid="comment-send"><${Icon} name="send" /></button>`}
    </form>
    <div class="composer__side">${children}</div>
  </div>`;
}

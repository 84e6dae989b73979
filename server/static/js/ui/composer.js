/** The bar a viewer talks through: comment or question, points, likes. */
import { t } from "../i18n/index.js";
import { errorText } from "./errors.js";
import { html, useState } from "./html.js";
import { Icon } from "./icons.js";

/** @param {{limits:object, client:object, say:function, disabled:boolean, children:preact.VNode}} props */
export function Composer({ limits, client, say, disabled, children }) {
  const [text, setText] = useState("");
  const [question, setQuestion] = useState(false);
  const submit = async (event) => {
    event.preventDefault();
    const written = text.trim();
    if (!written) return;
    setText("");
    try {
      const { verdict } = await client.comment(written, question ? "question" : "comment");
      if (verdict !== "pass") say(t(`comments.verdict_${verdict}`), verdict === "block" ? "bad" : "info");
      setQuestion(false);
    } catch (error) {
      setText((since) => since || written); // What was not taken goes back into the box.
      say(errorText(error), "bad");
    }
  };
  return html`<div class=${`composer ${text ? "is-writing" : ""}`}>
    <form class="composer__form" onSubmit=${submit}>
      <button type="button" class="composer__kind" aria-pressed=${String(question)} aria-label=${t("comments.ask")} title=${t("comments.ask")} onClick=${() => setQuestion(!question)} disabled=${disabled} data-testid="question-toggle">
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
          data-testid="comment-input"
        />
      </label>
      ${text && html`<button class="composer__send" aria-label=${t("comments.send")} data-testid="comment-send"><${Icon} name="send" /></button>`}
    </form>
    <div class="composer__side">${children}</div>
  </div>`;
}

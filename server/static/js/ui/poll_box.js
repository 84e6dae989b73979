/** A poll with its live bars: viewers vote once, the host closes it. */
import { formatNumber, t } from "../i18n/index.js";
import { errorText } from "./errors.js";
import { html, useState } from "./html.js";

/** @param {{poll:object|null, client:object, say:function, votes?:boolean, closes?:boolean}} props */
export function PollBox({ poll, client, say, votes = false, closes = false }) {
  const [mine, setMine] = useState({ pollId: null, choice: null });
  const [hidden, setHidden] = useState(null);
  if (!poll || hidden === poll.poll_id) return null;
  const chosen = mine.pollId === poll.poll_id ? mine.choice : null;
  const total = poll.votes.reduce((sum, one) => sum + one, 0);
  const tell = (error) => say(errorText(error), "bad");
  const vote = (choice) =>
    client.act({ type: "vote", poll_id: poll.poll_id, choice }).then(() => setMine({ pollId: poll.poll_id, choice }), tell);
  const close = () => client.act({ type: "poll.close", poll_id: poll.poll_id }).catch(tell);
  return html`<section class="poll" aria-label=${t("poll.title")} data-testid="poll">
    <div class="poll__head">
      <strong>${poll.question}</strong>
      ${!poll.open && html`<span class="tag">${t("poll.closed")}</span>`}
      ${closes && poll.open
        ? html`<button type="button" class="button" onClick=${close} data-testid="poll-close">${t("poll.close")}</button>`
        : html`<button type="button" class="button button--plain" onClick=${() => setHidden(poll.poll_id)}>${t("poll.hide")}</button>`}
    </div>
    <ol class="poll__options">
      ${poll.options.map(
        (option, index) => html`<li key=${index} class="poll__option">
          ${votes && poll.open && chosen === null
            ? html`<button type="button" class="button poll__vote" onClick=${() => vote(index)} data-testid="vote">${option}</button>`
            : html`<span>${chosen === index ? "✓ " : ""}${option}</span>`}
          <meter min="0" max=${Math.max(total, 1)} value=${poll.votes[index]} aria-label=${option}></meter>
          <span class="poll__count" data-testid="poll-count">${formatNumber(poll.votes[index])}</span>
        </li>`,
      )}
    </ol>
  </section>`;
}

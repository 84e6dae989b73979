/** What the bank says in the room: why the sale stands still, the announcement, the question taken up, the answer. */
import { t } from "../i18n/index.js";
import { html } from "./html.js";

/** Why the card went and nobody may buy now, where neither host nor monitor chose it. */
export const SaleStopped = ({ room }) =>
  room.saleStopped && html`<p class="notice-line" data-testid="sale-stopped" data-reason=${room.saleStopped}>${t(`stopped.${room.saleStopped}`)}</p>`;

export const Notices = ({ room }) =>
  html`<div class="notices" role="status">
    <${SaleStopped} room=${room} />
    ${room.talkAway && html`<p class="notice-line" data-testid="talk-away">${t("notice.talk_away")}</p>`}
    ${room.announcement && html`<p class="notice-line" data-testid="announcement"><span class="tag tag--pin">${t("notice.announcement")}</span>${room.announcement.text}</p>`}
    ${room.question && html`<p class="notice-line" data-testid="picked-question"><span class="tag tag--question">${t("notice.question")}</span><span class="line__author">${room.question.author.nickname}</span>${room.question.text}</p>`}
    ${room.answer &&
    html`<p class="notice-line" data-testid="answer">
      <span class="tag tag--staff">${t("notice.answer")}</span>
      ${room.answer.comment && html`<q>${room.answer.comment.text}</q> `}${room.answer.text}
      <small>${room.answer.by.display_name} · ${t("host.licence", { no: room.answer.by.licence_no })}</small>
    </p>`}
    ${room.rules.muted_all && html`<p class="notice-line">${t("notice.muted_all")}</p>`}
    ${room.muted && html`<p class="notice-line" data-testid="muted-note">${t("notice.muted", { reason: room.muted.reason })}</p>`}
  </div>`;

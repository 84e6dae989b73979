/** What the room says, for the host: all comments or only the questions, with pinning; held ones are marked. */
import { t } from "../i18n/index.js";
import { CommentFlow, Pinned } from "../ui/comment_flow.js";
import { errorText } from "../ui/errors.js";
import { html, useState } from "../ui/html.js";
import { Icon } from "../ui/icons.js";
import { Composer } from "../ui/composer.js";
import { Notices } from "../ui/notices.js";
import { StageTalk } from "./stage_talk.js";

export function Talk({ room, client, say, children }) {
  const [only, setOnly] = useState("all");
  const questions = room.comments.filter((one) => one.kind === "question");
  const pin = (id) => client.pin(id).catch((error) => say(errorText(error), "bad"));
  const pick = (id) => client.act({ type: "pick", comment_id: id }).catch((error) => say(errorText(error), "bad"));
  const actions = (one, tabIndex) =>
    one.verdict !== "hold" &&
    html`${one.kind === "question" && html`<button type="button" class="line__action" tabindex=${tabIndex} onClick=${() => pick(one.comment_id)} aria-label=${t("talk.pick_one", { text: one.text })} title=${t("talk.pick")} data-testid="pick"><${Icon} name="question" /></button>`}<button type="button" class="line__action" tabindex=${tabIndex} onClick=${() => pin(one.comment_id)} aria-label=${t("talk.pin_one", { text: one.text })} title=${t("talk.pin")} data-testid="pin"><${Icon} name="pin" /></button>`;
  return html`<section class="panel talk" aria-label=${t("comments.label")}>
    <div class="tabs" role="group" aria-label=${t("talk.filter")}>
      <${Tab} name="all" only=${only} setOnly=${setOnly} count=${room.comments.length} />
      <${Tab} name="questions" only=${only} setOnly=${setOnly} count=${questions.length} />
    </div>
    ${room.pinned &&
    html`<div class="pinned-row"><${Pinned} comment=${room.pinned} /><button type="button" class="button" onClick=${() => pin(null)} data-testid="unpin">${t("talk.unpin")}</button></div>`}
    <${Notices} room=${room} />
    <${StageTalk} room=${room} client=${client} say=${say} />
    <${CommentFlow} comments=${only === "questions" ? questions : room.comments} you=${room.you} actions=${actions} />
    ${children}
    <${Composer} limits=${room.limits} client=${client} say=${say} disabled=${!room.ready} />
  </section>`;
}

const Tab = ({ name, only, setOnly, count }) => html`<button type="button" class="tab" aria-pressed=${String(only === name)} onClick=${() => setOnly(name)} data-testid=${`tab-${name}`}>
  ${t(`talk.${name}`)} <span class="tab__count">${count}</span>
</button>`;

/** What the room counts: time on air, people, likes, points. */
import { formatDuration } from "../clock.js";
import { formatNumber, t } from "../i18n/index.js";
import { Figure } from "./figure.js";
import { html } from "./html.js";
import { useServerNow } from "./use_room.js";

export function RoomFigures({ room, clock, points }) {
  const now = useServerNow(clock);
  const elapsed = room.streamTime && room.state === "live" ? room.streamTime.ms + now - room.streamTime.atMs : room.streamTime?.ms;
  return html`<dl class="figures" aria-label=${t("figures.room")}>
    <${Figure} name="figures.elapsed" value=${elapsed === undefined || elapsed === null ? "–" : formatDuration(elapsed)} testid="elapsed" />
    <${Figure} name="room.online" value=${formatNumber(room.online)} testid="online" />
    <${Figure} name="like.total" value=${formatNumber(room.likes)} testid="like-total" />
    ${points !== undefined && html`<${Figure} name="figures.points" value=${formatNumber(points)} testid="points-total" />`}
  </dl>`;
}

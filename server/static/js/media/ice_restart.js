/** ICE restart over WHIP and WHEP (RFC 9725 §4.3.3): new credentials each way by PATCH, the rest of the session stays. */
import { patchIce } from "./signalling.js";

const CREDENTIALS = /^a=ice-(?:ufrag|pwd):.*$/gm;
const attribute = (sdp, name) => new RegExp(`^a=${name}:(\\S+)`, "m").exec(sdp)?.[1];

/** The fragment for an offer: the first section that has a port stands for the bundle. */
export function fragmentOf(sdp) {
  const section = sdp.split(/^(?=m=)/m).find((part) => /^m=\w+ [1-9]/.test(part) && attribute(part, "ice-ufrag"));
  const lines = [
    section.slice(0, section.search(/\r?\n/)),
    `a=mid:${attribute(section, "mid")}`,
    `a=ice-ufrag:${attribute(section, "ice-ufrag")}`,
    `a=ice-pwd:${attribute(section, "ice-pwd")}`,
  ];
  return `${lines.join("\r\n")}\r\n`;
}

/** The answer as it was, with the credentials of `fragment`. The candidates are the same: they name the server. */
export function withCredentials(answer, fragment) {
  const fresh = { ufrag: attribute(fragment, "ice-ufrag"), pwd: attribute(fragment, "ice-pwd") };
  return answer.replace(CREDENTIALS, (line) => (line.startsWith("a=ice-ufrag") ? `a=ice-ufrag:${fresh.ufrag}` : `a=ice-pwd:${fresh.pwd}`));
}

/** Restarts ICE of `peer`; gives the answer that holds now. Raises ApiError; 404 says that the session has ended. */
export async function restartIce(peer, { resource, token, answer }) {
  peer.restartIce();
  await peer.setLocalDescription();
  const fragment = await patchIce(resource, token, fragmentOf(peer.localDescription.sdp));
  const next = withCredentials(answer, fragment);
  await peer.setRemoteDescription({ type: "answer", sdp: next });
  return next;
}

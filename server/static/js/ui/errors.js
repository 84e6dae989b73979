/** The words for a failure: by its stable code where the page knows it, else the server's own text. */
import { t, tFirst } from "../i18n/index.js";

export function codeText(code, detail) {
  return tFirst([`error.${code}`], detail || t("error.unknown", { code }));
}

export const errorText = (error) => codeText(error.code ?? "internal", error.detail);

/** The words for a failure: by its stable code where the page knows it, else plain words; never the code itself. */
import { t, tFirst } from "../i18n/index.js";

export const codeText = (code) => tFirst([`error.${code}`], t("error.unknown"));

export const errorText = (error) => codeText(error.code ?? "internal");

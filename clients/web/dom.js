/** Small words for the page's elements. */

/** The element of that id, which has to be of that kind. @template {Element} T @param {string} id
 * @param {new () => T} kind @returns {T} */
export function element(id, kind) {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`index.html has no ${kind.name} with the id ${id}`);
  return found;
}

/** A new element. @template {keyof HTMLElementTagNameMap} K @param {K} tag @param {string} [className] @param {string} [text]
 * @returns {HTMLElementTagNameMap[K]} */
export function make(tag, className = "", text = "") {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}

/** A button with a text or a sign, and what it is for. @param {string} className @param {string} text
 * @param {string} label @param {() => void} act */
export function button(className, text, label, act) {
  const made = make("button", className, text);
  made.type = "button";
  made.title = label;
  made.setAttribute("aria-label", label);
  made.addEventListener("click", (event) => {
    event.stopPropagation();
    act();
  });
  return made;
}

/** The bytes of a JPEG file as the browser decodes them; a copy, as they are a view of a message.
 * @param {Uint8Array} bytes */
export const jpeg = (bytes) => new Blob([new Uint8Array(bytes)], { type: "image/jpeg" });

/** Says something for some seconds, and may offer to do something about it.
 * @param {string} text @param {"note" | "problem"} [kind] @param {{label: string, act: () => void}} [offer] */
export function notice(text, kind = "note", offer = undefined) {
  const shown = make("div", `notice ${kind}`, text);
  shown.setAttribute("role", kind === "problem" ? "alert" : "status");
  const holder = element("notices", HTMLElement);
  holder.append(shown);
  while (holder.childElementCount > 3) holder.firstElementChild?.remove();
  const close = () => {
    shown.classList.add("gone");
    setTimeout(() => shown.remove(), 300);
  };
  shown.addEventListener("click", close);
  if (offer) {
    const taken = make("button", "", offer.label);
    taken.addEventListener("click", offer.act);
    shown.append(taken);
  }
  setTimeout(close, Math.min(12000, (offer ? 8000 : 2500) + 60 * text.length));
}

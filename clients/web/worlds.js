/** Which world one is in, and the way to the others that the server has. */

import { make } from "./dom.js";

/** The name of the world; a list of all, where there are several. @param {HTMLElement} holder
 * @param {string[]} worlds @param {string} current @param {(world: string) => void} open */
export function showWorlds(holder, worlds, current, open) {
  const options = worlds.map((name) => {
    const option = make("option", "", name);
    option.value = name;
    option.selected = name === current;
    return option;
  });
  const select = make("select", "worlds");
  select.setAttribute("aria-label", "World");
  select.append(...options);
  select.addEventListener("change", () => {
    select.blur();
    open(select.value);
  });
  holder.replaceChildren(worlds.length > 1 ? select : make("span", "world", current));
}

// What makes the request form kinder: room left in a field, and a warning before what was typed is lost.
"use strict";

const form = document.querySelector("form[data-request]");
let unsaved = "unsaved" in form.dataset;

for (const field of form.querySelectorAll("[data-limit]")) {
  const told = document.createElement("span");
  told.className = "hint counter";
  field.after(told);
  const count = () => {
    const left = Number(field.dataset.limit) - [...field.value].length;
    told.textContent = (left < 0 ? field.dataset.over : field.dataset.left).replace("{}", Math.abs(left));
    told.classList.toggle("over", left < 0);
    told.hidden = field.value === "";
  };
  field.addEventListener("input", count);
  count();
}

form.addEventListener("input", () => { unsaved = true; });
form.addEventListener("submit", () => { unsaved = false; });
addEventListener("beforeunload", (event) => { if (unsaved) event.preventDefault(); });

// What follows the # of a mailed link reaches no server by itself: hand it over in a form, where no log keeps it.
"use strict";

const form = document.querySelector("form[data-handle]");

function open() {
  const handle = location.hash.slice(1);
  if (/^[A-Za-z0-9_-]{43}$/.test(handle)) {
    form.elements.handle.value = handle;
    form.submit();
  } else {
    form.querySelector("[data-incomplete]").hidden = false;
  }
}

addEventListener("hashchange", open);
open();

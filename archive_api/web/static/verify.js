// Drag and drop for the verification box, and the print button. The pages work without this file.
"use strict";
for (const form of document.querySelectorAll("form[data-drop]")) {
  const input = form.querySelector("input[type=file]");
  const zone = form.querySelector(".drop");
  const status = form.querySelector(".drop__status");
  const button = form.querySelector("button");
  let depth = 0;
  const leave = () => { depth = 0; zone.classList.remove("drop--over"); };
  const send = () => { form.requestSubmit(button); };
  form.classList.add("can-drop");
  form.addEventListener("dragenter", () => { depth += 1; zone.classList.add("drop--over"); });
  form.addEventListener("dragleave", () => { depth -= 1; if (depth <= 0) leave(); });
  form.addEventListener("dragover", (event) => event.preventDefault());
  form.addEventListener("drop", (event) => {
    event.preventDefault();
    leave();
    const files = event.dataTransfer.files;
    if (files.length === 0) return;
    if (files.length > 2) { status.textContent = form.dataset.tooMany; return; }
    input.files = files;
    send();
  });
  form.addEventListener("submit", () => {
    status.textContent = form.dataset.busy;
    button.disabled = true;
  });
  // Coming back with the back button shows the page as it was left.
  window.addEventListener("pageshow", () => { status.textContent = ""; button.disabled = false; });
}
for (const button of document.querySelectorAll("[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => window.print());
}
// A file dropped beside the box must not replace the page.
for (const kind of ["dragover", "drop"]) window.addEventListener(kind, (event) => event.preventDefault());

"use strict";
const form = document.getElementById("form");
const outcome = document.getElementById("outcome");
const [purpose, token] = location.hash.slice(1).split(".");
const recovers = purpose === "recover";
history.replaceState(null, "", location.pathname); // the token stays out of the browser's history

if (token) {
  document.getElementById("password").hidden = !recovers;
  form.elements.password.required = recovers;
  form.hidden = false;
} else {
  outcome.textContent = "This link is incomplete. · 링크가 올바르지 않습니다.";
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const body = recovers ? { token, password: form.elements.password.value } : { token };
  try {
    const answer = await fetch(recovers ? "password" : "confirm", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
    if (answer.ok) {
      form.hidden = true;
      outcome.textContent = "Done. · 완료되었습니다.";
      return;
    }
    const problem = await answer.json();
    const details = (problem.errors || []).map((e) => e.location.split(".").pop() + " " + e.message);
    outcome.textContent = details.join("; ") || problem.detail;
  } catch {
    outcome.textContent = "The service cannot be reached: try again. · 잠시 후 다시 시도해 주세요.";
  }
});

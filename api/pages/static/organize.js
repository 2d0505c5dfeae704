// Pages of those who run a race: parts that change by themselves are read again, and
// the end of a protest window is counted down.

document.documentElement.classList.add("scripted"); // what only works by a script is shown

// refresh replaces the parts of the page that are marked data-live by what the server
// says now, but never one that the reader's focus is in.
async function refresh() {
	const parts = [...document.querySelectorAll("[data-live][id]")];
	if (!parts.length) return;
	if (!document.hidden) {
		try {
			const answer = await fetch(location.href, {headers: {Accept: "text/html"}});
			if (answer.ok && !answer.redirected) {
				const now = new DOMParser().parseFromString(await answer.text(), "text/html");
				for (const part of parts) {
					const fresh = now.getElementById(part.id);
					if (!fresh || part.contains(document.activeElement)) continue;
					const text = fresh.outerHTML.replace(/<b class="countdown[^]*?<\/b>/, "");
					if (part.dataset.text === text) continue;
					fresh.dataset.text = text;
					part.replaceWith(fresh);
				}
			}
		} catch {
			// the page is as good as before; the next turn asks again
		}
	}
	next();
}

function next() {
	const waits = [...document.querySelectorAll("[data-live][id]")].map((part) => Number(part.dataset.live) || 20);
	if (waits.length) setTimeout(refresh, 1000 * Math.min(...waits));
}

function count() {
	for (const clock of document.querySelectorAll("[data-until]")) {
		const left = Math.max(0, Math.round((new Date(clock.dataset.until) - Date.now()) / 1000));
		const two = (n) => String(n).padStart(2, "0");
		const minutes = Math.floor(left / 60);
		clock.textContent = left >= 3600 ? `${Math.floor(left / 3600)}:${two(minutes % 60)}:${two(left % 60)}` : `${minutes}:${two(left % 60)}`;
	}
}

for (const button of document.querySelectorAll("[data-copy]")) {
	button.addEventListener("click", async () => {
		const field = document.getElementById(button.dataset.copy);
		field.select();
		try {
			await navigator.clipboard.writeText(field.value);
			button.textContent = button.dataset.copied;
		} catch {
			// over plain http a browser has no clipboard for us: the text is selected to be copied by hand
		}
	});
}

next();
count();
setInterval(count, 1000);

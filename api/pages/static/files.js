// The organizer's files: a file may be dropped, and the progress of credits shows by
// itself. All of it works without this module.

document.documentElement.classList.add("scripted");

const drop = document.querySelector(".drop");
if (drop) {
	const input = drop.querySelector("input[type=file]");
	drop.dataset.hint = drop.dataset.dropping;
	for (const name of ["dragenter", "dragover"]) {
		drop.addEventListener(name, (event) => {
			event.preventDefault();
			drop.classList.add("over");
		});
	}
	drop.addEventListener("dragleave", (event) => {
		if (!drop.contains(event.relatedTarget)) drop.classList.remove("over");
	});
	drop.addEventListener("drop", (event) => {
		event.preventDefault();
		drop.classList.remove("over");
		if (event.dataTransfer.files.length > 0) {
			input.files = event.dataTransfer.files;
			input.form.requestSubmit();
		}
	});
}

// A button says that it is at work; the server makes sure that a second press counts once.
for (const button of document.querySelectorAll("button[data-busy]")) {
	const label = button.textContent;
	button.form.addEventListener("submit", () => { button.textContent = button.dataset.busy; });
	addEventListener("pageshow", () => { button.textContent = label; }); // the back button
}

const progress = document.querySelector("[data-progress]");
if (progress && !("current" in progress.dataset)) watch(progress);

// watch asks how far the credits are, until the standings have all of them.
function watch(root) {
	const bar = root.querySelector("progress");
	const says = root.querySelector(".says");
	const rejected = root.querySelector(".rejected");
	const number = new Intl.NumberFormat(document.documentElement.lang);
	const shortest = 700;
	const longest = 15_000;
	let wait = shortest;

	async function look() {
		if (!document.hidden) {
			try {
				const answer = await fetch(root.dataset.progress, {signal: AbortSignal.timeout(8_000)});
				if (!answer.ok || !answer.headers.get("Content-Type").startsWith("application/json")) throw new Error(answer.statusText);
				const now = await answer.json();
				wait = shortest;
				show(now);
				if (now.current) return;
			} catch {
				wait = Math.min(wait * 2, longest); // what is shown is as good as before
			}
		}
		setTimeout(look, wait);
	}

	function show(now) {
		bar.max = Math.max(now.total, 1);
		bar.value = now.credited + now.rejected;
		let text = root.dataset.ranking;
		if (now.current) {
			text = root.dataset.done.replace("{n}", number.format(now.version));
			root.dataset.current = "";
		} else if (now.pending > 0) {
			text = root.dataset.running.replace("{n}", number.format(bar.value)).replace("{total}", number.format(now.total));
		}
		if (says.textContent !== text) says.textContent = text;
		rejected.classList.toggle("none", now.rejected === 0);
		rejected.firstElementChild.textContent = root.dataset.rejected.replace("{n}", number.format(now.rejected));
	}

	setTimeout(look, wait);
}

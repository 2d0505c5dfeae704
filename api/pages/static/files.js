// The organizer's files: a file may be dropped, how much of it has been sent shows, and
// so does the progress of credits. All of it works without this module.

document.documentElement.classList.add("scripted");

prepare();

// prepare makes the forms of the page do more than they do by themselves.
function prepare() {
	const drop = document.querySelector(".drop");
	if (drop) takeDrops(drop);
	// A button says that it is at work; the server makes sure that a second press counts once.
	for (const button of document.querySelectorAll("button[data-busy]")) {
		const label = button.textContent;
		button.dataset.label = label;
		button.form.addEventListener("submit", () => { button.textContent = button.dataset.busy; });
		addEventListener("pageshow", () => { button.textContent = label; }); // the back button
	}
	const upload = document.getElementById("upload");
	upload?.addEventListener("submit", (event) => {
		event.preventDefault();
		if (upload.dataset.sending === undefined) send(upload);
	});
}

function takeDrops(drop) {
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

// send sends a file and shows how much of it is there. When the line is lost the form
// stays as it is, with its key, so that sending it again counts once.
function send(form) {
	const button = form.querySelector("button");
	const sending = form.querySelector(".sending");
	const bar = sending.querySelector("progress");
	const says = sending.querySelector("[role=status]");
	const percent = new Intl.NumberFormat(document.documentElement.lang, {style: "percent"});
	const say = (text) => { if (says.textContent !== text) says.textContent = text; };
	form.dataset.sending = "";
	sending.hidden = false;
	say("");

	const request = new XMLHttpRequest(); // fetch says nothing of uploads
	request.upload.addEventListener("progress", ({loaded, total}) => {
		bar.value = loaded / total;
		say(loaded < total ? form.dataset.sent.replace("{n}", percent.format(Math.floor(10 * bar.value) / 10)) : button.dataset.busy); // heard ten times at most
	});
	request.addEventListener("load", () => {
		if (request.status === 200) {
			location.assign(request.responseURL);
			return;
		}
		const page = new DOMParser().parseFromString(request.responseText, "text/html");
		const main = page.querySelector("main");
		if (!main) {
			lost();
			return;
		}
		document.title = page.title; // of a form that was refused, or of a login
		document.querySelector("main").replaceWith(main);
		prepare();
		main.querySelector("#wrong")?.focus();
	});
	request.addEventListener("error", lost);

	function lost() {
		delete form.dataset.sending;
		bar.value = 0;
		say(form.dataset.lost);
		button.textContent = button.dataset.label;
	}

	request.open("POST", form.action);
	request.send(new FormData(form));
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

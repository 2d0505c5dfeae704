// Entry to a race: the countdown on the server's clock, a form that is kept, one press
// that counts once, and the runner's own place in line. All of it works without this
// module.

document.documentElement.classList.add("scripted");

const language = {en: "en-GB", ko: "ko-KR"}[document.documentElement.lang];
const news = document.getElementById("news");
let entry = document.getElementById("entry");
const {race, keep} = entry.dataset;

// The server's clock. Every answer is older than now, never younger, so that the sample
// that is furthest ahead is the best.
let ahead = Date.parse(entry.dataset.now) - Date.now();
const now = () => Date.now() + ahead;

async function readClock() {
	const samples = [];
	for (let i = 0; i < 3; i++) {
		const sent = Date.now();
		try {
			const answer = await fetch(`/v1/races/${race}/entry`, {cache: "no-store"});
			if (!answer.ok) break;
			samples.push(Date.parse((await answer.json()).now) - (sent + Date.now()) / 2);
		} catch {
			break; // the clock is as good as before
		}
		await new Promise((done) => setTimeout(done, 700));
	}
	if (samples.length) ahead = Math.max(...samples);
}

function remaining(until) {
	const left = Math.max(0, Math.ceil((until - now()) / 1000));
	const two = (n) => String(n).padStart(2, "0");
	const clock = `${two(Math.floor(left / 3600) % 24)}:${two(Math.floor(left / 60) % 60)}:${two(left % 60)}`;
	const days = Math.floor(left / 86400);
	if (!days) return clock;
	return `${new Intl.NumberFormat(language, {style: "unit", unit: "day", unitDisplay: "long"}).format(days)} ${clock}`;
}

function count() {
	for (const clock of entry.querySelectorAll("[data-until]")) clock.textContent = remaining(Date.parse(clock.dataset.until));
}

const form = document.getElementById("enter");
if (form) prepare(form);

function prepare(form) {
	const button = form.querySelector("button");
	const label = button.textContent;
	let sent = false;
	let open;

	const opens = () => Date.parse((form.querySelector("input[name=pool]:checked") || form).dataset.opens || "") || 0;

	function tick() {
		const early = now() < opens();
		// The button keeps the focus: a disabled one would lose it at the very moment.
		button.setAttribute("aria-disabled", String(early || sent));
		button.textContent = sent ? form.dataset.busy : early ? form.dataset.wait.replace("{n}", remaining(opens())) : label;
		if (open === false && !early) news.textContent = label;
		open = !early;
	}

	form.addEventListener("submit", (event) => {
		if (sent || now() < opens()) {
			event.preventDefault();
			return;
		}
		sent = true;
		tick();
	});
	addEventListener("pageshow", () => { sent = false; tick(); }); // the back button

	const name = `entry.${keep}`;
	const fields = () => [...form.querySelectorAll("input:not([type=hidden])")];
	if (!document.getElementById("wrong")) { // else the form has what was sent
		try {
			const kept = JSON.parse(localStorage.getItem(name) || "{}");
			for (const field of fields()) {
				if (!(field.id in kept)) continue;
				if (field.type === "radio" || field.type === "checkbox") field.checked = kept[field.id];
				else field.value = kept[field.id];
			}
		} catch {
			// a browser that keeps nothing
		}
	}
	form.addEventListener("input", () => {
		tick();
		try {
			localStorage.setItem(name, JSON.stringify(Object.fromEntries(fields().map((field) => [field.id, field.type === "text" ? field.value : field.checked]))));
		} catch {
			// likewise
		}
	});

	tick();
	setInterval(tick, 100);
	if (now() < opens()) {
		readClock();
		setInterval(() => { if (!document.hidden && now() < opens()) readClock(); }, 60_000);
		document.addEventListener("visibilitychange", () => { if (!document.hidden && now() < opens()) readClock(); });
	}
}

if (!form) try { localStorage.removeItem(`entry.${keep}`); } catch { /* likewise */ }

let stream;

// watch follows the line that the runner is in.
function watch() {
	if (stream) stream.close();
	stream = undefined;
	const {pool, number, version} = entry.dataset;
	if (!pool || !window.EventSource) return;
	let known = Number(version);
	stream = new EventSource(`/v1/races/${race}/entry/events?pool=${pool}`);
	stream.addEventListener("line", (event) => {
		const {version, left} = JSON.parse(event.data);
		if (version <= known) return;
		if (version > known + 1 || left.includes(Number(number))) return soon(); // something was missed, or it is our turn
		known = version;
		move(left.filter((other) => other < Number(number)).length);
	});
	stream.addEventListener("reset", soon);
}

// move takes those who left from the runner's position.
function move(places) {
	const position = Math.max(1, Number(entry.dataset.position) - places);
	if (!places) return;
	entry.dataset.position = position;
	const verdict = entry.querySelector("[data-text]");
	verdict.textContent = verdict.dataset.text.replace("{n}", position.toLocaleString(language));
	const before = entry.querySelector("[data-ahead]");
	before.textContent = before.dataset.ahead.replace("{n}", (position - 1).toLocaleString(language));
	news.textContent = verdict.textContent;
}

// soon reads the page again. A thousand whose turn it is do not ask at once.
let waits;
function soon() {
	clearTimeout(waits);
	waits = setTimeout(read, 1500 * Math.random());
}

async function read() {
	let fresh;
	try {
		const answer = await fetch(`/${document.documentElement.lang}/my/races/${race}`, {headers: {Accept: "text/html"}});
		if (!answer.ok || answer.redirected) return;
		fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("entry");
	} catch {
		return; // the page is as good as before; the next turn asks again
	}
	if (!fresh) return;
	const same = fresh.dataset.state === entry.dataset.state;
	if (!same || !entry.contains(document.activeElement)) {
		const focused = entry.contains(document.activeElement);
		const moved = !same || fresh.dataset.position !== entry.dataset.position;
		entry.replaceWith(fresh);
		entry = fresh;
		count();
		if (focused) entry.focus();
		if (!same) document.querySelector(".said")?.remove(); // it was said of the state before
		const verdict = entry.querySelector(".verdict, .notice");
		if (moved && verdict) news.textContent = verdict.textContent;
	} else {
		move(Number(entry.dataset.position) - Number(fresh.dataset.position));
		entry.dataset.version = fresh.dataset.version;
	}
	watch();
}

// The page is read again now and then, more often when the stream does not work.
let asked = Date.now();
setInterval(() => {
	if (!entry.dataset.live || document.hidden) return;
	const streaming = stream && stream.readyState === EventSource.OPEN;
	const until = entry.querySelector("[data-until]");
	const late = until && Date.parse(until.dataset.until) < now();
	if (Date.now() - asked < (streaming ? 120_000 : late ? 5_000 : 15_000)) return;
	asked = Date.now();
	soon();
}, 1000);

count();
setInterval(count, 1000);
if (entry.dataset.live) watch();

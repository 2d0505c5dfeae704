// What every page gets when there is JavaScript: times in the reader's own time
// zone, and word of new standings.

const language = {en: "en-GB", ko: "ko-KR"}[document.documentElement.lang];
const clock = new Intl.DateTimeFormat(language, {dateStyle: "long", timeStyle: "short", hourCycle: "h23"}); // as the server writes them
const zone = new Intl.DateTimeFormat(language, {timeZoneName: "short"});

function localTimes(part) {
	for (const time of part.querySelectorAll("time[datetime]")) {
		const at = new Date(time.dateTime);
		const name = zone.formatToParts(at).find((part) => part.type === "timeZoneName");
		time.textContent = `${clock.format(at)} ${name ? name.value : ""}`.trim();
		// After the time by the race's clock, a reader in its time zone needs no other.
		const other = time.closest("[data-offset]");
		if (other && Number(other.dataset.offset) === -60 * at.getTimezoneOffset()) other.remove();
	}
}

localTimes(document);
// Other modules replace parts of the page by what the server says later.
new MutationObserver((changes) => {
	for (const {addedNodes} of changes) for (const part of addedNodes) if (part instanceof Element) localTimes(part);
}).observe(document.body, {childList: true, subtree: true});

// The back button leads to a fresh copy of a form that was sent. It takes the key of the
// first copy again, by which the server knows the same form when it is sent once more.
const keys = [...document.querySelectorAll("form:not(.press) input[name=key]")];
if (keys.length > 0) {
	const [arrival] = performance.getEntriesByType("navigation");
	const sent = history.state?.keys;
	if (arrival?.type === "back_forward" && sent?.length === keys.length) keys.forEach((key, i) => { key.value = sent[i]; });
	history.replaceState({...history.state, keys: keys.map((key) => key.value)}, "");
}

const page = document.querySelector("main[data-race]");
if (page) follow(page);

// follow asks for the number of the latest version, which caches answer, and says
// how many places have changed instead of moving rows under the reader's eyes.
function follow(page) {
	const shown = Number(page.dataset.version);
	const standings = `/v1/races/${page.dataset.race}/standings`;
	const interval = Number(page.dataset.poll) || 10_000;
	let latest = shown;
	let misses = 0;

	async function look() {
		if (!document.hidden) {
			try {
				const answer = await fetch(`${standings}/version`);
				if (!answer.ok) throw new Error(answer.statusText);
				misses = 0;
				const {version} = await answer.json();
				if (version > latest) {
					latest = version;
					await announce(version);
				}
			} catch {
				misses++; // the page is as good as before; ask less often
			}
		}
		// Readers who opened the page at once do not ask at once.
		setTimeout(look, interval * (1 + Math.random() / 4) * Math.min(1 + misses, 6));
	}

	async function announce(version) {
		let text = page.dataset.changed;
		const answer = shown && await fetch(`${standings}/compare?from=${shown}&to=${version}&limit=1`);
		if (answer && answer.ok) {
			const {moved, total} = await answer.json();
			if (total === 0) return;
			if (moved > 0) text = page.dataset.moved.replace("{n}", moved.toLocaleString(language));
		}
		let news = document.querySelector(".news");
		if (!news) {
			news = document.createElement("div");
			news.className = "news";
			const link = document.createElement("a");
			link.className = "button";
			link.href = location.href;
			link.textContent = page.dataset.show;
			link.addEventListener("click", (event) => {
				event.preventDefault();
				location.reload();
			});
			news.append(document.createElement("span"), link);
			document.body.append(news);
		}
		news.firstChild.textContent = text;
	}

	setTimeout(look, interval);
}

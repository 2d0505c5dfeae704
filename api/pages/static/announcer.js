// The announcer's page: new finishers appear by themselves, a bib is looked up
// without losing the feed, and both go on with what is known when the line is lost.

const root = document.querySelector(".announcer");
const connection = document.querySelector("#connection");
const form = root.querySelector("form");
const box = form.elements.bib;
const interval = Number(root.dataset.poll) || 3_000;
const known = new Map(); // by bib: what was shown of a runner
let lostAt = null;
let misses = 0;

remember(document);
box.focus();
look();

form.addEventListener("submit", async (event) => {
	event.preventDefault();
	const bib = box.value.trim();
	box.select();
	const address = new URL(location.href);
	address.search = bib ? new URLSearchParams({bib}) : "";
	try {
		show(await load(address));
		history.replaceState(null, "", address);
	} catch {
		lost();
		showKnown(bib);
	}
});

async function load(address) {
	const answer = await fetch(address, {signal: AbortSignal.timeout(8_000)});
	if (!answer.ok) throw new Error(answer.statusText);
	const page = new DOMParser().parseFromString(await answer.text(), "text/html");
	if (!page.querySelector("#feed")) throw new Error("not this page");
	found();
	return page;
}

// show takes the person and the feed over from a page.
function show(page) {
	remember(page);
	document.querySelector("#person").replaceChildren(...page.querySelector("#person").childNodes);
	showFeed(page);
}

function showFeed(page) {
	const feed = document.querySelector("#feed");
	const before = new Set([...feed.children].map((item) => item.dataset.bib));
	const items = [...page.querySelector("#feed").children];
	for (const item of items) item.classList.toggle("fresh", before.size > 0 && !before.has(item.dataset.bib));
	feed.replaceChildren(...items);
}

function remember(page) {
	for (const item of page.querySelectorAll("#feed [data-bib]")) known.set(key(item.dataset.bib), item.cloneNode(true));
}

// key writes a bib as they are compared: without case and leading zeros.
function key(bib) {
	return bib.trim().toUpperCase().replace(/^0+(?=.)/, "");
}

// showKnown shows what the feed has said about a bib.
function showKnown(bib) {
	const item = known.get(key(bib));
	const text = document.createElement("p");
	text.textContent = root.dataset.known.replace("{n}", known.size);
	const person = document.querySelector("#person");
	if (item) {
		const list = document.createElement("ol");
		list.className = "feed";
		list.append(item.cloneNode(true));
		person.replaceChildren(list);
	} else {
		person.replaceChildren(text);
	}
}

async function look() {
	if (!document.hidden) {
		try {
			const page = await load(location.pathname);
			remember(page);
			showFeed(page);
			misses = 0;
		} catch {
			misses++;
			lost();
		}
	}
	setTimeout(look, interval * Math.min(1 + misses, 5));
}

function found() {
	lostAt = null;
	connection.className = "live";
	connection.textContent = root.dataset.live;
}

function lost() {
	lostAt ??= new Date();
	const since = lostAt.toLocaleTimeString(document.documentElement.lang, {hour: "2-digit", minute: "2-digit", second: "2-digit"});
	connection.className = "lost";
	connection.textContent = root.dataset.lost.replace("{time}", since);
}

// The path of records is read again every few seconds, while somebody looks at it.

const interval = 5_000;

async function refresh() {
	const path = document.getElementById("path");
	if (!document.hidden && !path.contains(document.activeElement)) {
		try {
			const answer = await fetch(location.href);
			const fresh = answer.ok && new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("path");
			if (fresh) path.replaceWith(fresh);
		} catch {
			// The page stays as it is and says from when it is.
		}
	}
	setTimeout(refresh, interval);
}

setTimeout(refresh, interval);

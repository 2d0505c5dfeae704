// Passkeys: to log in by one, and to add one. Without this module, or in a browser that
// has none, people use their password.

const works = window.PublicKeyCredential?.parseRequestOptionsFromJSON;

async function ask(address, fields) {
	const answer = await fetch(address, {method: "POST", body: new URLSearchParams(fields)});
	if (!answer.ok || answer.redirected) throw new Error("refused");
	const said = await answer.json();
	if (said.problem) throw new Problem(said.problem);
	return said;
}

class Problem extends Error {}

function offer(form, run) {
	if (!form || !works) return;
	form.hidden = false;
	form.addEventListener("submit", async (event) => {
		event.preventDefault();
		const says = form.querySelector("[role=alert]");
		const button = form.querySelector("button");
		says.textContent = "";
		button.disabled = true;
		try {
			await run(form);
		} catch (problem) {
			says.textContent = problem instanceof Problem ? problem.message : form.dataset.failed;
		}
		button.disabled = false;
	});
}

// sendKept goes on with what was written before the login or the passkey was asked for,
// and reports whether there is such a thing.
function sendKept() {
	const kept = document.querySelector("input[name=again]")?.form;
	if (!kept) return false;
	for (const field of kept.querySelectorAll("input:not([type=hidden])")) field.value = "";
	kept.submit();
	return true;
}

offer(document.getElementById("passkey"), async (form) => {
	const {ceremony_id, public_key} = await ask(form.dataset.begin, {});
	const credential = await navigator.credentials.get({publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(public_key)});
	const {next} = await ask(form.dataset.finish, {ceremony_id, credential: JSON.stringify(credential), next: form.dataset.next});
	if (!sendKept()) location.assign(next);
});

offer(document.getElementById("add-passkey"), async (form) => {
	const {ceremony_id, public_key} = await ask(form.dataset.begin, {current_password: form.elements.current_password.value});
	const credential = await navigator.credentials.create({publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(public_key)});
	await ask(form.dataset.add, {ceremony_id, name: form.elements.name.value, credential: JSON.stringify(credential)});
	if (!sendKept()) location.reload();
});

// The page of links in mails: what is behind the # goes into the form, and out of the
// browser's history.

const form = document.getElementById("link");
const link = location.hash.slice(1);
if (link) {
	history.replaceState(null, "", location.pathname);
	form.elements.link.value = link;
}
const show = () => {
	const recovers = form.elements.link.value.includes("recover.");
	form.elements.link.closest(".field").hidden = form.elements.link.value !== "" && !document.getElementById("field-link-wrong");
	form.elements.password.closest(".field").hidden = !recovers;
	form.elements.password.required = recovers;
	if (form.elements.link.value) document.getElementById("what").textContent = recovers ? form.dataset.recovers : form.dataset.confirms;
};
show();
form.elements.link.addEventListener("change", show);

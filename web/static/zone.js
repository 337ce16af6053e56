// Tell the server in which time zone a day is meant. A shared address keeps the zone of the person who shared it.
const own = Intl.DateTimeFormat().resolvedOptions().timeZone;

for (const field of document.querySelectorAll("input[name=zone]")) {
  if (!field.value && own) field.value = own;
  for (const name of document.querySelectorAll("[data-zone]")) name.textContent = field.value || "UTC";
}

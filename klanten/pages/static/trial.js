/* Sends one request of the API and shows what came of it.
 *
 * The form is made from the OAS document. The token is in the field where it was pasted and in the
 * request, and nowhere else: not in storage, not in a URL, not in the line for curl. */

const METHODS = ["get", "post", "put", "patch", "delete"];
const KLANT = {
  bronorganisatie: "517439943",
  websiteUrl: "https://www.example.nl",
  subjectType: "natuurlijk_persoon",
  subjectIdentificatie: { inpBsn: "999993653", geslachtsnaam: "Jansen" },
};
const EXAMPLES = {
  klant_create: KLANT,
  klant_update: KLANT,
  klant_partial_update: { emailadres: "jansen@example.nl" },
};

const here = (id) => document.getElementById(id);
const form = here("trial");
const root = new URL(form.dataset.document, location.href).href.replace(/\/[^/]*$/, "");
const button = form.querySelector("button");
// what was filled in for an operation is there again for another one
const filledIn = new Map();

// --- the operations of the OAS document --------------------------------------------------------

async function operations() {
  const answer = await fetch(form.dataset.document);
  if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
  const { paths } = await answer.json();
  return Object.entries(paths).flatMap(([path, item]) =>
    METHODS.filter((method) => method in item).map((method) => ({
      ...item[method],
      path,
      method: method.toUpperCase(),
      parameters: [...(item.parameters ?? []), ...(item[method].parameters ?? [])]
        // goes with the body
        .filter(({ name }) => name !== "Content-Type")
        .map((parameter) => ({ ...parameter, key: key(path, parameter) })),
    })),
  );
}

/* What a parameter is about: for one in the path that is what comes before it there. */
function key(path, { name }) {
  const [before, after] = path.split(`{${name}}`);
  return after === undefined ? name : before.replaceAll(/\{\w+\}/g, "{}");
}

// --- the form ----------------------------------------------------------------------------------

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== false) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children);
  return made;
}

/* A text in which words between backticks are code. */
function marked(text) {
  return text.split("`").map((part, index) => (index % 2 ? element("code", {}, part) : part));
}

function field(parameter) {
  const { key, name, required, schema } = parameter;
  const id = `parameter-${name}`;
  const attributes = { id, name, required, "aria-describedby": `${id}-hint` };
  const control = schema.enum
    ? element("select", attributes, ...["", ...schema.enum].map((value) => new Option(value)))
    : element("input", { ...attributes, type: "text", spellcheck: "false", autocomplete: "off" });
  control.value = filledIn.get(key) ?? "";
  control.addEventListener("input", () => filledIn.set(key, control.value));
  return element(
    "div",
    { class: "field" },
    element("label", { for: id }, element("code", {}, name), required ? " (verplicht)" : ""),
    control,
    element("p", { class: "hint", id: `${id}-hint` }, ...marked(parameter.description ?? "")),
  );
}

function group(title, parameters) {
  if (!parameters.length) return [];
  return [element("details", {}, element("summary", {}, title), ...parameters.map(field))];
}

function show(operation) {
  const { parameters, operationId, requestBody } = operation;
  const those = (place) => parameters.filter((parameter) => parameter.in === place);
  here("parameters").replaceChildren(
    ...those("path").map(field),
    ...group("Filters en pagina", those("query")),
    ...group("Headers", those("header")),
  );
  here("scope").replaceChildren(...marked(`Nodig is de scope \`${scope(operation)}\`.`));
  here("body-field").hidden = !requestBody;
  here("body").value = JSON.stringify(EXAMPLES[operationId] ?? {}, null, 2);
}

function scope(operation) {
  return Object.values(operation.security[0]).flat().join(", ");
}

// --- the request -------------------------------------------------------------------------------

function value(parameter) {
  return form.elements[parameter.name].value.trim();
}

function filled(operation, place) {
  return operation.parameters
    .filter((parameter) => parameter.in === place && value(parameter))
    .map((parameter) => [parameter.name, value(parameter)]);
}

function request(operation) {
  let path = operation.path;
  for (const [name, text] of filled(operation, "path")) {
    path = path.replace(`{${name}}`, encodeURIComponent(text));
  }
  const query = new URLSearchParams(filled(operation, "query"));
  const headers = filled(operation, "header");
  if (operation.requestBody) headers.push(["Content-Type", "application/json"]);
  return {
    method: operation.method,
    url: root + path + (query.size ? `?${query}` : ""),
    headers,
    body: operation.requestBody ? here("body").value : undefined,
  };
}

/* The bytes of a header are UTF-8, as curl sends them; fetch takes a sign for each byte. */
function bytes(text) {
  return String.fromCharCode(...new TextEncoder().encode(text));
}

async function send({ method, url, headers, body }) {
  const sent = new Headers(headers.map(([name, text]) => [name, bytes(text)]));
  // what was copied may be folded; a token has no blanks
  const token = here("token").value.trim().replace(/^Bearer\s+/i, "").replaceAll(/\s/g, "");
  if (token) sent.set("Authorization", `Bearer ${bytes(token)}`);
  const begun = performance.now();
  const answer = await fetch(url, {
    method,
    headers: sent,
    body,
    // nobody between this page and the server: no cookies, no cache of the browser
    credentials: "omit",
    cache: "no-store",
  });
  const text = await answer.text();
  return { answer, text, milliseconds: Math.round(performance.now() - begun) };
}

// --- what came of it ---------------------------------------------------------------------------

function present({ answer, text, milliseconds }) {
  const status = `${answer.status} ${answer.statusText} (${milliseconds} ms)`;
  tell(status, answer.status < 400 ? "good" : "bad");
  const content = parsed(text);
  here("answer-body").textContent =
    content === undefined ? text || "(leeg)" : JSON.stringify(content, null, 2);
  here("answer-headers").textContent = [...answer.headers]
    .map(([name, header]) => `${name}: ${header}`)
    .join("\n");
  explain(content?.type);
  remember(answer.headers.get("Location"));
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/* Links to the page of a Fout. */
function explain(type) {
  const known = typeof type === "string" && type.startsWith("http");
  here("explanation").hidden = !known;
  if (known) here("explanation").firstElementChild.href = type;
}

/* What was made just now is what the next request is likely about. */
function remember(url) {
  if (!url?.startsWith(root)) return;
  const [, place, name] = url.slice(root.length).match(/^(.*\/)(.+)$/);
  filledIn.set(place, decodeURIComponent(name));
}

function curl({ method, url, headers, body }) {
  const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
  const parts = [`curl -sS -i -X ${method} ${quoted(url)}`, '-H "Authorization: Bearer $TOKEN"'];
  for (const [name, text] of headers) parts.push(`-H ${quoted(`${name}: ${text}`)}`);
  if (body !== undefined) parts.push(`--data-binary ${quoted(body)}`);
  return parts.join(" \\\n  ");
}

function tell(text, how = "") {
  here("status").textContent = text;
  here("status").className = `status ${how}`;
}

async function attempt(operation) {
  button.disabled = true;
  tell("Bezig met versturen.");
  try {
    const asked = request(operation);
    const came = await send(asked);
    here("answer").hidden = false;
    here("curl").textContent = curl(asked);
    present(came);
  } catch (fault) {
    here("answer").hidden = true;
    tell(`Er kwam geen antwoord: ${fault.message}`, "bad");
  } finally {
    button.disabled = false;
    button.focus();
  }
}

// --- begin -------------------------------------------------------------------------------------

try {
  const known = await operations();
  const choice = here("operation");
  choice.append(
    ...known.map(
      ({ method, path, summary }, index) => new Option(`${method} ${path} - ${summary}`, index),
    ),
  );
  const chosen = () => known[choice.value];
  choice.addEventListener("change", () => show(chosen()));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(chosen());
  });
  show(chosen());
  button.disabled = false;
} catch (fault) {
  tell(`Het OAS-document is niet te lezen: ${fault.message}`, "bad");
}

// the browser may keep the page to go back to
addEventListener("pagehide", () => {
  here("token").value = "";
});

// How to connect a program to the sandbox.
// Rule: every line can be pasted unchanged, with the URLs of this sandbox.
import { copy, copyButton } from "./copy.js";
import { el } from "./dom.js";
import { tabbed } from "./tabs.js";

const NUMBER = "+380501234567";

// A string as a literal of each language, because a password may have any character.
const python = (text) => JSON.stringify(text);
const php = (text) => `'${text.replace(/[\\']/g, "\\$&")}'`;
const shell = (text) => (/^[\w.-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

const SNIPPETS = [
  {
    name: "Python",
    text: (state) => `import anyio
import smsgate

URL = "${state.url}"

async def main():
    login, password = ${python(state.login)}, ${python(state.password)}
    session = smsgate.AsyncSession(login, password, sender="Shop", url=URL)
    async with session:
        await session.send_sms("${NUMBER}", "Ваш код: 4815")

anyio.run(main)`,
  },
  {
    name: "PHP",
    text: (state) => `$client = new SoapClient("${state.wsdl_url}");
$client->Auth(["login" => ${php(state.login)}, "password" => ${php(state.password)}]);
$client->SendSMS([
    "sender" => "Shop",
    "destination" => "${NUMBER}",
    "text" => "Ваш код: 4815",
]);`,
  },
  {
    name: "Shell",
    text: (state) => `export SMSGATE_URL=${state.url}
export SMSGATE_LOGIN=${shell(state.login)}
export SMSGATE_PASSWORD=${shell(state.password)}
export SMSGATE_SENDER=Shop
smsgate send ${NUMBER} --text "Ваш код: 4815"`,
  },
];

const ADDRESSES = [
  ["Gateway", (state) => state.url, "the address of the gateway"],
  ["WSDL", (state) => state.wsdl_url, "the address of the WSDL"],
  ["Login", (state) => `${state.login}`, "the login"],
];

export function guide(state, id) {
  let chosen = SNIPPETS[0];
  const code = el("pre", { tabindex: "0" });
  const rows = SNIPPETS.map((row) => ({
    name: row.name,
    make: () => {
      chosen = row;
      return el("code", {}, row.text(state));
    },
  }));
  const { bar, choose } = tabbed("Language", rows, { id, page: code });
  bar.append(copyButton("the example", () => chosen.text(state)));
  choose("Python");
  const password = `password ${state.password}`;
  return el(
    "div",
    { class: "guide" },
    el(
      "dl",
      { class: "address" },
      ...ADDRESSES.map(([name, value, what]) =>
        el(
          "div",
          {},
          el("dt", {}, name),
          el(
            "dd",
            {},
            el("code", {}, value(state)),
            name === "Login" ? el("span", { class: "muted" }, `, ${password}`) : null,
          ),
          el("dd", {}, copyButton(what, value(state))),
        ),
      ),
    ),
    el("div", { class: "snippet" }, bar, code),
  );
}

export function magic(rows, lead) {
  return el(
    "div",
    { class: "magic" },
    el("p", { class: "muted" }, lead),
    el(
      "ul",
      {},
      ...rows.map((row) => el("li", {}, copyable(row.number), el("span", {}, row.note))),
    ),
  );
}

function copyable(number) {
  const button = el(
    "button",
    {
      type: "button",
      class: "copyable",
      title: "Copy the number",
      "aria-label": `Copy the number ${number}`,
    },
    number,
  );
  button.addEventListener("click", () => copy(number, button));
  return button;
}
